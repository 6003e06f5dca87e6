"""kubectl, helm and docker as a user types them, and what to print when something is not as it should be."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CHART = str(ROOT / "helm/loan-model")
GATEWAY = os.environ.get("E2E_GATEWAY", "127.0.0.1:30080")
HOST = os.environ.get("E2E_HOST", "loan.example.com")


def run(*command: str, check: bool = True, **options: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def kubectl(*words: str, **options: Any) -> str:
    return run("kubectl", *words, **options)


class Release:
    """One installation of the chart in a namespace of its own, which enforces the restricted Pod Security Standard."""

    def __init__(self, namespace: str, server_image: str, training_image: str) -> None:
        self.namespace = namespace
        self.name = "demo"
        self.service = "demo-loan-model"
        self.server_image = server_image
        self._values = ["--set", f"gateway.hostnames={{{HOST}}}"]
        for part, image in (("server", server_image), ("training", training_image)):
            self._values += of_image(part, image)
        self.kubectl("create", "namespace", namespace, check=False)
        kubectl("label", "namespace", namespace, "--overwrite", "pod-security.kubernetes.io/enforce=restricted")

    def kubectl(self, *words: str, **options: Any) -> str:
        return kubectl("--namespace", self.namespace, *words, **options)

    def helm(self, *words: str) -> str:
        return run("helm", "--namespace", self.namespace, *words)

    def install(self, *values: str) -> None:
        self.helm("install", self.name, CHART, *self._values, *values)

    def upgrade(self, *values: str) -> None:
        self.helm("upgrade", self.name, CHART, "--reuse-values", *values)

    def get(self, kind: str, *words: str) -> Any:
        return json.loads(self.kubectl("get", kind, *words, "--output", "json"))

    def wait(self, kind: str, condition: str, seconds: int = 180) -> None:
        try:
            self.kubectl("wait", kind, f"--for={condition}", f"--timeout={seconds}s")
        except AssertionError:
            self.describe()
            raise

    def wait_until_rolled_out(self) -> None:
        """The predictor's newest pods are ready, as many as are wanted at least, and the old ones are gone."""
        self.wait(f"inferenceservice/{self.service}", "condition=Ready")
        self.kubectl("rollout", "status", f"deployment/{self.service}-predictor", "--timeout=180s")
        wait_for(self.complete, 90, "the wanted number of pods")
        wait_for(lambda: not self.terminating(), 90, "old pods to go")

    def complete(self) -> bool:
        """A new Deployment has one pod until the autoscaler first looks at it."""
        wanted = self.get(f"inferenceservice/{self.service}")["spec"]["predictor"]["minReplicas"]
        ready = self.get(f"deployment/{self.service}-predictor")["status"].get("readyReplicas", 0)
        return bool(ready >= wanted)

    def terminating(self) -> list[str]:
        pods = self.get("pods", "--selector", f"serving.kserve.io/inferenceservice={self.service}")["items"]
        return [pod["metadata"]["name"] for pod in pods if pod["metadata"].get("deletionTimestamp")]

    def pods(self) -> list[str]:
        pods = self.get("pods", "--selector", f"serving.kserve.io/inferenceservice={self.service}")["items"]
        return [pod["metadata"]["name"] for pod in pods]

    def objects(self) -> set[str]:
        """All that is in the namespace, but for events and what every namespace has."""
        kinds = kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name").split()
        kept = ",".join(kind for kind in kinds if not kind.startswith(("events", "pods.metrics")))
        found = set(self.kubectl("get", kept, "--output=name").split())
        return found - {"serviceaccount/default", "configmap/kube-root-ca.crt"}

    def train(self, job: str) -> Any:
        """Trains by a Job made from the chart's CronJob; the result that the training left."""
        self.start_training(job)
        return self.trained(job)

    def start_training(self, job: str) -> None:
        self.kubectl("create", "job", job, f"--from=cronjob/{self.service}-training")

    def trained(self, job: str, seconds: int = 180) -> Any:
        self.wait(f"job/{job}", "condition=Complete", seconds)
        pod = self.get("pods", f"--selector=job-name={job}")["items"][0]
        return json.loads(pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"])

    def why(self) -> str:
        """Every condition, event and container state of the namespace, as text to look for a cause in."""
        service = self.kubectl("get", "inferenceservice", "--output", "json", check=False)
        events = self.kubectl("get", "events", "--output", "json", check=False)
        pods = self.kubectl("get", "pods", "--output", "json", check=False)
        return service + events + pods

    def describe(self) -> None:
        for words in (
            ("get", "inferenceservice,pod,job,httproute,pvc", "--output", "wide"),
            ("describe", "inferenceservice"),
            ("get", "events", "--sort-by=.lastTimestamp"),
            ("logs", "--selector", f"app.kubernetes.io/instance={self.name}", "--all-containers", "--tail=30"),
            ("logs", "--selector", f"serving.kserve.io/inferenceservice={self.service}", "--tail=30"),
        ):
            print(self.kubectl(*words, check=False), file=sys.stderr)

    def remove(self) -> None:
        # The routes first: the next release of the tests has the same host name.
        run("helm", "--namespace", self.namespace, "uninstall", self.name, check=False)
        self.kubectl("delete", "namespace", self.namespace, "--wait=false", check=False)


def of_image(part: str, image: str) -> list[str]:
    """The values of one of the chart's images."""
    repository, tag = image.rsplit(":", 1)
    return ["--set", f"image.{part}.repository={repository}", "--set", f"image.{part}.tag={tag}"]


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> float:
    """Seconds until the condition held."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise AssertionError(f"waited {seconds:g} s for {what}")
        time.sleep(0.5)
    return time.monotonic() - start


@contextmanager
def forwarded(namespace: str, target: str, port: int) -> Iterator[int]:
    """A port on loopback that leads to a Service in the cluster, also after a connection that breaks off.

    kubectl ends with such a one, so it is started again.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        local = probe.getsockname()[1]
    command = f"while :; do kubectl --namespace {namespace} port-forward {target} {local}:{port}; done"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(["sh", "-c", command], start_new_session=True, **quiet) as process:
        try:
            wait_for(lambda: _listens(local), 30, f"the port of {target}")
            yield local
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return not probe.connect_ex(("127.0.0.1", port))
