"""What runs in the cluster: the pods of each version, whether they are ready, and how often they were restarted."""

from typing import Any

import msgspec
from kubernetes import client
from msgspec.structs import replace

from rollout.claims import Claims

LABEL = "serving.kserve.io/inferenceservice"


class Health(msgspec.Struct, frozen=True):
    """Of one version in one InferenceService. `old` pods are those of another version that are not gone yet.

    `reason` says why it is not ready, in the words of the pod or of KServe.
    """

    ready: bool
    pods: int = 0
    ready_pods: int = 0
    old: int = 0
    restarts: int = 0
    reason: str = ""


class Workload:
    """The InferenceServices of one release and their pods; a pod's version is the one that it was told to serve."""

    def __init__(self, service: str, namespace: str, core: Any, custom: Any) -> None:
        self.stable = service
        self.canary = f"{service}-canary"
        self._services = [self.stable, self.canary]
        self._namespace = namespace
        self._core = core
        self._custom = custom
        self._claims = Claims(namespace, core)

    @property
    def is_one_service(self) -> bool:
        """Whether stable and canary are two revisions of one InferenceService."""
        return self.stable == self.canary

    def health(self, service: str, version: str) -> Health:
        """Ready: KServe says so, and all pods of the version are."""
        pods = self.pods(service)
        known, reason = self._condition(service)
        health = self._health([pod for pod in pods if _version(pod) == version], reason)
        ready = known and 0 < health.ready_pods == health.pods
        return replace(health, ready=ready, old=len(pods) - health.pods)

    def pods(self, service: str) -> list[Any]:
        """The pods of an InferenceService that are not on their way out."""
        found = self._core.list_namespaced_pod(self._namespace, label_selector=self._selector(service)).items
        return [pod for pod in found if not pod.metadata.deletion_timestamp]

    def _selector(self, service: str) -> str:
        return f"{LABEL}={service}"

    def pods_of(self, version: str) -> list[str]:
        """The names of all pods of a version, in whichever InferenceService."""
        return [pod.metadata.name for each in self._services for pod in self.pods(each) if _version(pod) == version]

    def service(self, name: str) -> dict[str, Any] | None:
        """An InferenceService, None where there is none."""
        return self._object("serving.kserve.io/v1beta1", "inferenceservices", name)

    def _health(self, pods: list[Any], reason: str) -> Health:
        return Health(
            ready=False,
            pods=len(pods),
            ready_pods=sum(map(_is_ready, pods)),
            restarts=sum(status.restart_count for pod in pods for status in _containers(pod)),
            reason=next(filter(None, (_why(pod) or self._claims.why(pod) for pod in pods)), reason),
        )

    def _object(self, api: str, kind: str, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._custom.get_namespaced_custom_object(
                *api.split("/"), self._namespace, kind, name
            )
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise
        return found

    def _condition(self, service: str) -> tuple[bool, str]:
        found = self.service(service)
        if found is None:
            return False, f"the InferenceService {service} was not found"
        failure = found.get("status", {}).get("modelStatus", {}).get("lastFailureInfo", {}).get("message", "")
        ready, message = _ready(found)
        return ready, failure or message


class KnativeWorkload(Workload):
    """Stable and canary are revisions of one InferenceService, of two where gRPC has its own; both may have no pod."""

    def __init__(self, service: str, namespace: str, core: Any, custom: Any) -> None:
        super().__init__(service, namespace, core, custom)
        self.canary = service
        self._services = [service, f"{service}-grpc"]

    def health(self, service: str, version: str) -> Health:
        """Ready: the newest revision of each service is of this version, and Knative routes to it as it was told."""
        pods = [pod for name in self._services for pod in self.pods(name) if _version(pod) == version]
        health = self._health(pods, "")
        for name in self._services:
            found = self._object("serving.knative.dev/v1", "services", f"{name}-predictor")
            if found is None and name != service:
                continue
            ready, reason = self._is_routed(found, version)
            if not ready:
                return replace(health, ready=False, reason=health.reason or reason)
        return replace(health, ready=True)

    def _is_routed(self, found: dict[str, Any] | None, version: str) -> tuple[bool, str]:
        if found is None:
            return False, "Knative has not created the service yet"
        newest = found["spec"]["template"]["spec"]["containers"][0].get("env", [])
        if {"name": "LOAN_VERSION", "value": version} not in newest:
            return False, f"its newest revision is not {version}"
        seen = found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"]
        ready, reason = _ready(found)
        return seen and ready, reason


def _ready(found: dict[str, Any]) -> tuple[bool, str]:
    """The condition Ready of an object, and what it says."""
    conditions = {each["type"]: each for each in found.get("status", {}).get("conditions", [])}
    ready = conditions.get("Ready", {})
    return ready.get("status") == "True", ready.get("message", "")


def _version(pod: Any) -> str:
    for container in pod.spec.containers:
        for variable in container.env or []:
            if variable.name == "LOAN_VERSION":
                return str(variable.value)
    return ""


def _containers(pod: Any) -> list[Any]:
    return (pod.status.init_container_statuses or []) + (pod.status.container_statuses or [])


def _is_ready(pod: Any) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or [])


def _why(pod: Any) -> str:
    """What the pod says of its last end, or why it waits."""
    for status in _containers(pod):
        for state in (status.state, status.last_state):
            if state and state.terminated and state.terminated.exit_code:
                return str(state.terminated.message or state.terminated.reason or "").strip()
        if status.state.waiting and status.state.waiting.message:
            return str(status.state.waiting.message)
    return ""
