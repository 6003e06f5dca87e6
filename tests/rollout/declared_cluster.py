"""A stand-in for a cluster in which the release `loans` has a controller: only its values say what is wanted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.rollout.cluster import CHART, DEFAULTS, FULL_NAME, QUICK, Cluster, missing

CHART_VERSION = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
STATE = f"{FULL_NAME}-rollout-state"


class DeclaredCluster(Cluster):
    """Keeps what is applied to it. helm renders the InferenceServices alone, with the version of each."""

    def __init__(self, mode: str = "Standard", version: str = "v1") -> None:
        super().__init__(mode)
        self.revisions.clear()
        judgement = DEFAULTS["rollout"]["judgement"] | {"minRequests": 100}
        rollout = DEFAULTS["rollout"] | QUICK | {"controller": {"enabled": True}, "judgement": judgement}
        self.values = DEFAULTS | {"mode": mode, "version": version, "rollout": rollout}
        self.chart_version = CHART_VERSION
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.applications: list[tuple[str, str, int]] = []  # the split of each change
        self.kept: dict[str, Any] = {}  # the controller's own ConfigMap
        self.rendered: list[dict[str, Any]] = []
        self.conflicts = 0
        self.on_declaration: Callable[[], object] = lambda: None
        self.on_condition: Callable[[tuple[str, str]], object] = lambda _: None

    @property
    def deployed(self) -> dict[str, Any]:
        return {"config": self.values, "chart": {}}

    @property
    def state(self) -> dict[str, Any]:
        return json.loads(self.kept.get("data", {}).get("state", "{}"))

    @property
    def split(self) -> tuple[str, str, int]:
        split = self.state.get("split", {"stable": "", "canary": "", "weight": 0})
        return split["stable"], split["canary"], split["weight"]

    @property
    def condition(self) -> tuple[str, str]:
        service = self.objects[("inferenceservices", FULL_NAME)]
        found = {each["type"]: each for each in service["status"]["conditions"]}["RolledOut"]
        return found["status"], found["reason"]

    def want(self, version: str) -> None:
        """Somebody merges another version."""
        self.values = self.values | {"version": version}

    def run_helm(self, words: list[str]) -> tuple[str, str]:  # type: ignore[override]
        self.helm.append(words)
        if self.helm_fails:
            return "", self.helm_fails.pop(0)
        values = json.loads(Path(words[words.index("--values") + 1]).read_text())
        self.rendered.append(values)
        stable, canary = values["stable"]["version"], values["canary"]["version"]
        services = {FULL_NAME: stable, f"{FULL_NAME}-canary": canary}
        if values["mode"] == "Knative":
            services = {FULL_NAME: canary or stable}
        documents = [_service(name, version) for name, version in services.items() if version]
        return yaml.safe_dump_all([*documents, {"kind": "Secret", "metadata": {"name": "not-the-controllers"}}]), ""

    def handle(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:  # noqa: PLR0911
        parts = path.strip("/").split("/")
        if parts == ["helm"]:
            return 200, self.run_helm(body)
        match method, parts[parts.index("namespaces") + 2 :]:
            case "GET", ["configmaps"]:
                self.on_declaration()
                return 200, {"items": [self._config_map()]}
            case "GET", ["configmaps", name]:
                return (200, self.kept) if self.kept else missing(name)
            case "PATCH", ["configmaps", name]:
                assert name == STATE
                self.kept = body
                if not self.applications or self.applications[-1] != self.split:
                    self.applications.append(self.split)
                return 200, body
            case "GET", ["inferenceservices" as kind, name]:
                return (200, self.objects[kind, name]) if (kind, name) in self.objects else missing(name)
            case "GET", [("inferenceservices" | "httproutes" | "poddisruptionbudgets" | "backendtlspolicies") as kind]:
                return self._list(kind)
            case "PATCH", ["inferenceservices" as kind, name, "status"]:
                if self.conflicts:
                    self.conflicts -= 1
                    return 409, {"message": "the object has been modified"}
                self.objects[kind, name]["status"] = body["status"]
                self.on_condition(self.condition)
                return 200, self.objects[kind, name]
            case "PATCH", [kind, name]:
                return 200, self._apply(kind, name, body)
            case "DELETE", ["inferenceservices" as kind, name]:
                return 200, self.objects.pop((kind, name))
        return super().handle(method, path, query, body)

    def _config_map(self) -> dict[str, Any]:
        data = {"service": FULL_NAME, "chart": self.chart_version, "values": json.dumps(self.values)}
        return {"metadata": {"name": f"{FULL_NAME}-rollout", "uid": "abc"}, "data": data}

    def _list(self, kind: str) -> tuple[int, Any]:
        if kind == "backendtlspolicies":
            return missing(kind)
        return 200, {"items": [each for (of, _), each in self.objects.items() if of == kind]}

    def _apply(self, kind: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        before = self.objects.get((kind, name), {"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
        body["metadata"] |= {"uid": "abc", "resourceVersion": "1", "namespace": "bank"}
        self.objects[kind, name] = body | {"status": before["status"]}
        return self.objects[kind, name]


def _service(name: str, version: str) -> dict[str, Any]:
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/instance": "loans"}},
        "spec": {"predictor": {"model": {"env": [{"name": "LOAN_VERSION", "value": version}]}}},
    }
