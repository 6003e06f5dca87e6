"""`loan rollout` as a user types it, and a pod that puts good and bad versions into the registry."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from tests.e2e.cluster import ROOT, Release

WORKSHOP = """
apiVersion: v1
kind: Pod
metadata:
  name: workshop
spec:
  automountServiceAccountToken: false
  securityContext: {{runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: {{type: RuntimeDefault}}}}
  containers:
    - name: workshop
      image: {image}
      command: [sleep, infinity]
      env: [{{name: LOAN_REGISTRY, value: /registry}}, {{name: OMP_NUM_THREADS, value: "1"}}]
      securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
      volumeMounts: [{{name: registry, mountPath: /registry}}]
  volumes: [{{name: registry, persistentVolumeClaim: {{claimName: {claim}}}}}]
"""


class Workshop:
    """A pod with the training image and the registry's claim."""

    def __init__(self, release: Release, image: str) -> None:
        self._release = release
        claim = f"{release.service}-registry"
        release.kubectl("apply", "--filename", "-", input=WORKSHOP.format(image=image, claim=claim))
        release.wait("pod/workshop", "condition=Ready")

    def run(self, *command: str, **options: Any) -> str:
        return self._release.kubectl("exec", "--stdin", "workshop", "--", *command, **options)

    def train(self, *options: str) -> str:
        """The version that was trained."""
        version: str = json.loads(self.run("loan", "train", "--json", *options).splitlines()[-1])["version"]
        return version

    def publish(self, *kinds: str) -> dict[str, str]:
        """Versions by kind; see faulty_versions.py."""
        program = (Path(__file__).parent / "faulty_versions.py").read_text()
        printed = self.run("python", "-", "/registry", *kinds, input=program)
        versions: dict[str, str] = json.loads(printed.splitlines()[-1])
        return versions

    def remove(self) -> None:
        self._release.kubectl("delete", "pod", "workshop", "--grace-period=0", "--force", check=False)


class Ended(NamedTuple):
    """`decisions` are the JSON lines."""

    code: int
    decisions: list[dict[str, Any]]
    messages: str
    seconds: float


class Rollout(AbstractContextManager["Rollout"]):
    """One run of `loan rollout --to`, in a process of its own, which does not outlive `with`."""

    def __init__(self, release: Release, *words: str) -> None:
        self._started = time.monotonic()
        where = ["--release", release.name, "--namespace", release.namespace]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "loan_cli", "rollout", *words, *where],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        self._lines: list[str] = []

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    def wait_for_decisions(self, count: int) -> None:
        """Until so many decisions were printed, or it ended."""
        assert self._process.stdout
        while len(self._lines) < count and (line := self._process.stdout.readline()):
            self._lines.append(line)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self, seconds: float = 600) -> Ended:
        rest, messages = self._process.communicate(timeout=seconds)
        lines = [*self._lines, *rest.splitlines()]
        decisions = [json.loads(line) for line in lines if line.startswith("{")]
        print(messages)
        return Ended(self._process.returncode, decisions, messages, time.monotonic() - self._started)


def rollout(release: Release, *words: str) -> Ended:
    with Rollout(release, *words) as run:
        return run.end()


def judge(release: Release, stable: str, canary: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """`loan judge` over the last seconds, by what the release says of metrics, pods and thresholds."""
    words = ["--stable", stable, "--canary", canary, "--since", f"{seconds:.0f}s"]
    where = ["--release", release.name, "--namespace", release.namespace]
    return subprocess.run(
        [sys.executable, "-m", "loan_cli", "judge", *words, *where],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
