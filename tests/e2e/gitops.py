"""A tool of GitOps in little: it applies the rendered chart by server-side apply every few seconds, and heals."""

import json
import tempfile
import threading
from contextlib import AbstractContextManager
from typing import Any, Self

import yaml

from tests.e2e.cluster import CHART, Release, kubectl, run

EVERY_SECONDS = 5
MANAGER = "argocd-controller"


class Git:
    """The values of a release as they stand in a repository, and what the chart makes of them."""

    def __init__(self, release: Release, values: dict[str, Any]) -> None:
        self.release = release
        self.values = values

    def manifests(self) -> str:
        """Rendered without a cluster, as Argo CD does, each object with its namespace."""
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(self.values, file)
            file.flush()
            where = ["--namespace", self.release.namespace, "--values", file.name, "--no-hooks"]
            text = run("helm", "template", self.release.name, CHART, *where)
        documents = [each for each in yaml.safe_load_all(text) if each]
        for each in documents:
            each["metadata"].setdefault("namespace", self.release.namespace)
        return yaml.safe_dump_all(documents)

    def apply(self) -> None:
        self._kubectl("apply")

    def difference(self) -> str:
        """What `kubectl diff` prints; empty where the cluster is as Git says."""
        return self._kubectl("diff", check=False)

    def remove(self) -> None:
        kubectl("delete", "--filename", "-", "--ignore-not-found", "--wait=false", input=self.manifests())

    def _kubectl(self, verb: str, **options: Any) -> str:
        way = ["--server-side", "--force-conflicts", f"--field-manager={MANAGER}", "--filename", "-"]
        return kubectl(verb, *way, input=self.manifests(), **options)


class SelfHealing(AbstractContextManager["SelfHealing"]):
    """Applies what Git says again and again, until it is left."""

    def __init__(self, git: Git) -> None:
        self.times = 0
        self.failures: list[str] = []
        self._git = git
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._apply, name="gitops")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _apply(self) -> None:
        while not self._stop.is_set():
            try:
                self._git.apply()
                self.times += 1
            except AssertionError as error:
                self.failures.append(str(error)[-300:])
            self._stop.wait(EVERY_SECONDS)
