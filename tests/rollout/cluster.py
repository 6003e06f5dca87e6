"""A stand-in for a cluster with one release in it: the Kubernetes API, the pods' metrics, and what helm does there."""

import base64
import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import RLock, Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import yaml

from loan_model.synthetic import LOAN
from model_server.metrics import Metrics
from tabular_model.model import Scores

CHART = Path(__file__).parents[2] / "helm" / "loan-model"
DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
QUICK = {"steps": [50, 100], "stepSeconds": 0, "limitSeconds": 5, "readySeconds": 1, "pollSeconds": 0.01}
REQUESTS_BETWEEN_LOOKS = 1000
SMALL_CHART = {"metadata": {"name": "loan-model"}, "values": DEFAULTS, "templates": []}
FULL_NAME = "loans-loan-model"
VOLUMES = [{"name": "registry", "persistentVolumeClaim": {"claimName": "models"}}]
CRONJOB = {
    "spec": {
        "schedule": "0 0 1 1 *",
        "jobTemplate": {
            "metadata": {
                "labels": {"app.kubernetes.io/component": "training"},
                "annotations": {"sidecar.istio.io/inject": "false"},
            },
            "spec": {
                "template": {
                    "spec": {
                        "automountServiceAccountToken": True,
                        "initContainers": [{"name": "wait", "image": "i"}, {"name": "data", "image": "i"}],
                        "containers": [{"name": "training", "image": "i", "args": ["train"]}],
                    }
                }
            },
        },
    }
}


@dataclass
class Version:
    """How a version behaves in the cluster, and what `loan versions check` says of it."""

    seconds: float = 0.002
    faults: float = 0
    approves: float = 0.5
    restarts: int = 0
    ready: bool = True
    refused: str = ""


class Cluster:
    """A release `loans` in the namespace `bank`. Whenever stable's metrics are looked at, requests have come in."""

    def __init__(self, mode: str = "Standard") -> None:
        self.lock = RLock()
        self.versions = defaultdict(Version)
        self.revisions: list[dict[str, Any]] = []
        self.helm: list[list[str]] = []
        self.helm_fails: list[str] = []
        self.leases: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.jobs: dict[str, list[str]] = {}
        self.last_job: dict[str, Any] = {}
        self.champion = "v1"
        self.refuses_events = False
        self.access_modes = ["ReadWriteOnce"]
        self.waiting: dict[str, dict[str, Any]] = {}
        self.marks: dict[str, Any] = {}  # what a tool of GitOps writes into the metadata of what it applies
        self.applied: dict[str, Any] = {}  # an InferenceService where there is no Helm release
        self.requests_between_looks = REQUESTS_BETWEEN_LOOKS
        self.on_look: Callable[[], object] = lambda: None
        self.on_event: Callable[[], object] = lambda: None
        self.on_job: Callable[[], object] = lambda: None
        self.is_away = lambda: False
        self.url = ""
        self._metrics: dict[str, Metrics] = defaultdict(Metrics)
        rollout = QUICK | {"judgement": {"minRequests": 100}}
        self.add_revision({"mode": mode, "stable": {"version": "v1"}, "rollout": rollout})

    # What Helm keeps and does

    def add_revision(
        self, config: dict[str, Any], status: str = "deployed", age: float = 0, chart: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        revision = {
            "name": "loans",
            "version": len(self.revisions) + 1,
            "info": {
                "status": status,
                "last_deployed": (datetime.now(UTC) - timedelta(seconds=age)).isoformat(),
                "description": "",
            },
            "config": config,
            "chart": chart or SMALL_CHART,
            "manifest": f"---\nkind: InferenceService\nmetadata:\n  name: {FULL_NAME}\n---\n",
        }
        if status == "deployed":
            for each in self.revisions:
                each["info"]["status"] = "superseded" if each["info"]["status"] == "deployed" else "failed"
        self.revisions.append(revision)
        return revision

    @property
    def deployed(self) -> dict[str, Any]:
        return next(each for each in reversed(self.revisions) if each["info"]["status"] == "deployed")

    @property
    def split(self) -> tuple[str, str, int]:
        config = self.deployed["config"]
        canary = {"version": "", "weight": 0} | config.get("canary", {})
        return config["stable"]["version"], canary["version"], canary["weight"]

    @split.setter
    def split(self, split: tuple[str, str, int]) -> None:
        stable, canary, weight = split
        self.change({"stable": {"version": stable}, "canary": {"version": canary, "weight": weight}})

    def change(self, values: dict[str, Any]) -> None:
        """Another hand sets values."""
        config = self.deployed["config"]
        merged = {name: config.get(name, {}) | value for name, value in values.items()}
        self.add_revision(config | merged)

    def run_helm(self, words: list[str]) -> str:
        """An empty answer, or what went wrong."""
        self.helm.append(words)
        if self.helm_fails:
            return self.helm_fails.pop(0)
        if words[0] == "rollback":
            target = self.revisions[int(words[2]) - 1]
            self.add_revision(target["config"])
            return ""
        folder = Path(words[2])
        assert (folder / "Chart.yaml").exists()
        config = json.loads(json.dumps(self.deployed["config"]))
        for pair in words[words.index("--set") + 1].split(","):
            path, value = pair.split("=")
            *parents, name = path.split(".")
            target = config
            for parent in parents:
                target = target.setdefault(parent, {})
            target[name] = int(value) if value.isdecimal() else value
        made = self.add_revision(config, chart=self.deployed["chart"])
        made["info"]["description"] = words[words.index("--description") + 1]
        return ""

    # What runs

    def pods(self, selector: str) -> list[dict[str, Any]]:
        label, _, wanted = selector.partition("=")
        if label == "batch.kubernetes.io/job-name":
            return [self._job_pod(wanted)]
        stable, canary, _ = self.split
        if not selector:
            return [self._pod(FULL_NAME, stable)]
        mode = self.deployed["config"]["mode"]
        places = {FULL_NAME: [stable], FULL_NAME + "-canary": [canary]}
        if mode == "Knative":
            places = {FULL_NAME: [stable, canary]}
        if label.startswith("app"):  # pods of no InferenceService
            return [self._pod(service, version) for service, of in places.items() for version in of if version]
        return [self._pod(wanted, version) for version in places.get(wanted, []) if version]

    def _pod(self, service: str, version: str) -> dict[str, Any]:
        behaviour = self.versions[version]
        env = [{"name": "LOAN_VERSION", "value": version}]
        status = {
            "name": "kserve-container",
            "image": "i",
            "imageID": "i",
            "ready": behaviour.ready,
            "restartCount": behaviour.restarts,
            "state": {"waiting": {"message": "it cannot be loaded"}} if not behaviour.ready else {"running": {}},
        }
        spec = {"containers": [{"name": "kserve-container", "env": env}], "volumes": VOLUMES}
        if service in self.waiting:
            return waiting_pod(f"{service}-{version}", spec, self.waiting[service])
        return {
            "metadata": {"name": f"{service}-{version}"},
            "spec": spec | {"nodeName": "n1"},
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": str(behaviour.ready)}],
                "containerStatuses": [status],
            },
        }

    def metrics(self, pod: str) -> bytes:
        stable, canary, weight = self.split
        mode = self.deployed["config"]["mode"]
        if pod == f"{FULL_NAME}-{stable}":
            self.on_look()
            self.answer(pod, stable, self.requests_between_looks * (100 - weight) // 100)
            place = FULL_NAME if mode == "Knative" else f"{FULL_NAME}-canary"
            share = weight or self.deployed["config"].get("canary", {}).get("mirror", 0)
            if canary:
                self.answer(f"{place}-{canary}", canary, self.requests_between_looks * share // 100)
        return self._metrics[pod].exposition()

    def answer(self, pod: str, name: str, requests: int) -> None:
        """So many requests of one application each, spread evenly over what the version does."""
        metrics, version = self._metrics[pod], self.versions[name]
        faults = round(requests * version.faults)
        for number in range(requests):
            metrics.request("rest", name, "500" if number < faults else "200", version.seconds)
        probability = (np.arange(requests) + 0.5) / max(requests, 1)
        decision = (probability > 1 - version.approves).astype(np.int64)
        metrics.scored(name, LOAN.columns, Scores(probability, decision), None)

    # The registry, reached by Jobs

    def _job_pod(self, job: str) -> dict[str, Any]:
        if "registry" in self.waiting:
            return waiting_pod(
                job, {"containers": [{"name": "training"}], "volumes": VOLUMES}, self.waiting["registry"]
            )
        _, verb, version, *_ = self.jobs[job]
        refused, message = self.versions[version].refused, ""
        if refused:
            message = f"a log line\nerror: {refused}"
        elif verb == "check":
            message = json.dumps({"version": "v2" if version == "latest" else version, "champion": self.champion})
        elif self.champion != version:
            self.champion = version
            message = json.dumps({"version": version})
        reason = "Error" if refused else "Completed"
        terminated = {"exitCode": int(bool(refused)), "message": message, "reason": reason}
        status = {"name": "training", "image": "i", "imageID": "i", "ready": False, "restartCount": 0}
        return {
            "metadata": {"name": job},
            "spec": {"containers": []},
            "status": {"phase": "Succeeded", "containerStatuses": [status | {"state": {"terminated": terminated}}]},
        }

    def _pod_events(self, selector: str) -> list[dict[str, Any]]:
        """That a volume could not be attached, for a pod that is on a node and waits."""
        pod = selector.partition("=")[2].partition(",")[0]
        stuck = any("nodeName" in each for each in self.waiting.values())
        return [{"metadata": {}, "involvedObject": {"name": pod}, "reason": "FailedAttachVolume"}] if stuck else []

    # The API

    def handle(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:  # noqa: PLR0911
        parts = path.strip("/").split("/")
        if parts == ["helm"]:
            return 200, self.run_helm(body)
        match parts[parts.index("namespaces") + 2 :]:
            case ["secrets"]:
                wanted = query["labelSelector"] == "owner=helm,name=loans" and "/bank/" in path
                return 200, {"items": [as_secret(each) for each in self.revisions] if wanted else []}
            case ["configmaps"]:
                return 200, {"items": []}
            case ["pods"]:
                return 200, {"items": self.pods(query.get("labelSelector", ""))}
            case ["persistentvolumeclaims", name]:
                claim = {"metadata": {"name": name, "uid": "claim"}, "spec": {"accessModes": self.access_modes}}
                return 200, claim
            case ["events"] if method == "GET":
                return 200, {"items": self._pod_events(query["fieldSelector"])}
            case ["pods", pod, "proxy", "metrics"]:
                return 200, self.metrics(pod.removesuffix(":8080"))
            case ["inferenceservices"]:
                return 200, {"items": [self.applied] if self.applied else []}
            case ["inferenceservices", name]:
                stable, canary, _ = self.split
                version = canary if name.endswith("-canary") else stable
                if not version:
                    return missing(name)
                return 200, {
                    "apiVersion": "serving.kserve.io/v1beta1",
                    "kind": "InferenceService",
                    "metadata": {"name": name, "namespace": "bank", "uid": "abc", **self.marks},
                    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
                }
            case ["services", name]:
                return self._knative_service(name)
            case ["events"] if self.refuses_events:
                return 403, {"message": "events is forbidden"}
            case ["events"]:
                self.events.append(body)
                self.on_event()
                return 201, body
            case ["cronjobs", name]:
                return 200, CRONJOB
            case ["jobs"]:
                self.on_job()
                name = f"{body['metadata']['generateName']}{len(self.jobs)}"
                self.jobs[name] = body["spec"]["template"]["spec"]["containers"][0]["args"]
                self.last_job = body
                return 201, {"metadata": {"name": name}, "spec": body["spec"]}
            case ["jobs", name] if method == "DELETE":
                return 200, {"kind": "Status"}
            case ["leases", *name]:
                return self._lease(method, "".join(name), body)
        raise AssertionError(f"{method} {path}")

    def _knative_service(self, name: str) -> tuple[int, Any]:
        """Its newest revision is the canary's where there is one."""
        if name != f"{FULL_NAME}-predictor":
            return missing(name)
        stable, canary, _ = self.split
        version = canary or stable
        container = {"env": [{"name": "LOAN_VERSION", "value": version}]}
        return 200, {
            "metadata": {"generation": 3},
            "spec": {"template": {"spec": {"containers": [container]}}},
            "status": {
                "observedGeneration": 3,
                "conditions": [{"type": "Ready", "status": str(self.versions[version].ready)}],
            },
        }

    def _lease(self, method: str, name: str, body: Any) -> tuple[int, Any]:
        if method == "GET":
            return (200, self.leases[name]) if name in self.leases else missing(name)
        name = body["metadata"]["name"]
        if method == "POST" and name in self.leases:
            return 409, {"message": "already exists"}
        if method == "PUT" and body["metadata"]["resourceVersion"] != self.leases[name]["metadata"]["resourceVersion"]:
            return 409, {"message": "the object has been modified"}
        number = int(self.leases.get(name, {"metadata": {"resourceVersion": "0"}})["metadata"]["resourceVersion"]) + 1
        body["metadata"]["resourceVersion"] = str(number)
        self.leases[name] = body
        return 200, body


def packed(folder: Path) -> dict[str, Any]:
    """A chart as Helm keeps it in a release."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    parts = [
        {"name": str(path.relative_to(folder)), "data": base64.b64encode(path.read_bytes()).decode()} for path in files
    ]
    own = ("Chart.yaml", "values.yaml", "values.schema.json")
    return {
        "metadata": yaml.safe_load((folder / "Chart.yaml").read_text()),
        "values": yaml.safe_load((folder / "values.yaml").read_text()),
        "schema": base64.b64encode((folder / "values.schema.json").read_bytes()).decode(),
        "templates": [each for each in parts if each["name"].startswith("templates/")],
        "files": [each for each in parts if not each["name"].startswith("templates/") and each["name"] not in own],
    }


def as_secret(revision: dict[str, Any]) -> dict[str, Any]:
    """JSON, gzipped, in base64 for Helm and again for the Secret."""
    return {"metadata": {"name": "s"}, "data": {"release": _encoded(json.dumps(revision))}}


@lru_cache
def _encoded(document: str) -> str:
    content = base64.b64encode(gzip.compress(document.encode(), 1))
    return base64.b64encode(content).decode()


def waiting_pod(name: str, spec: dict[str, Any], where: dict[str, Any]) -> dict[str, Any]:
    """A pod on a node, `nodeName`, or on none, with what the scheduler says, `message`."""
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", **where}
    place = {"nodeName": where["nodeName"]} if "nodeName" in where else {}
    conditions = [] if place else [unscheduled]
    return {"metadata": {"name": name}, "spec": spec | place, "status": {"phase": "Pending", "conditions": conditions}}


def missing(name: str) -> tuple[int, Any]:
    return 404, {"message": f"{name} not found"}


@contextmanager
def answering(handle: Callable[[str, str, dict[str, str], Any], tuple[int, Any] | None]) -> Iterator[str]:
    """An HTTP server that answers as `handle` says, bytes as text and all else as JSON, and breaks off at None."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content, where = self.rfile.read(length), urlsplit(self.path)
            form = content.decode() if "urlencoded" in self.headers.get("Content-Type", "") else where.query
            query = {name: values[0] for name, values in parse_qs(form).items()}
            body = json.loads(content) if content and form is where.query else None
            answer = handle(self.command, unquote(where.path), query, body)
            if answer is None:
                self.close_connection = True
                return
            status, value = answer
            text = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(value, bytes) else "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names that the base class calls

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
