"""What runs in the cluster: the pods of each version, whether they are ready, and how often they were restarted."""

from typing import Any

import msgspec
from kubernetes import client

LABEL = "serving.kserve.io/inferenceservice"
CONTAINER = "kserve-container"


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

    def __init__(self, service: str, namespace: str, mode: str, core: Any, custom: Any) -> None:
        self.stable = service
        self.canary = service if mode == "Knative" else f"{service}-canary"
        self._namespace = namespace
        self._scales_to_zero = mode == "Knative"
        self._core = core
        self._custom = custom

    def health(self, service: str, version: str) -> Health:
        """Ready: KServe says so, and all pods of the version are."""
        pods = self.pods(service)
        of_version = [pod for pod in pods if _version(pod) == version]
        ready = [pod for pod in of_version if _is_ready(pod)]
        known, reason = self._condition(service)
        restarts = sum(status.restart_count for pod in of_version for status in _containers(pod))
        some = bool(ready) or self._scales_to_zero
        return Health(
            ready=known and some and len(ready) == len(of_version),
            pods=len(of_version),
            ready_pods=len(ready),
            old=len(pods) - len(of_version),
            restarts=restarts,
            reason=next(filter(None, map(_why, of_version)), reason),
        )

    def pods(self, service: str) -> list[Any]:
        """The pods of an InferenceService that are not on their way out."""
        found = self._core.list_namespaced_pod(self._namespace, label_selector=f"{LABEL}={service}").items
        return [pod for pod in found if not pod.metadata.deletion_timestamp]

    def pods_of(self, version: str) -> list[str]:
        """The names of all pods of a version, stable's and the canary's."""
        services = dict.fromkeys((self.stable, self.canary))
        return [pod.metadata.name for each in services for pod in self.pods(each) if _version(pod) == version]

    def service(self, name: str) -> dict[str, Any] | None:
        """An InferenceService, None where there is none."""
        try:
            found: dict[str, Any] = self._custom.get_namespaced_custom_object(
                "serving.kserve.io", "v1beta1", self._namespace, "inferenceservices", name
            )
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise
        return found

    def _condition(self, service: str) -> tuple[bool, str]:
        found = self.service(service)
        if found is None:
            return False, f"there is no InferenceService {service}"
        status = found.get("status", {})
        conditions = {each["type"]: each for each in status.get("conditions", [])}
        ready = conditions.get("Ready", {})
        failure = status.get("modelStatus", {}).get("lastFailureInfo", {}).get("message", "")
        return ready.get("status") == "True", failure or ready.get("message", "")


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
