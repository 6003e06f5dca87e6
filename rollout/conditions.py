"""Where a rollout stands, as a condition of stable's InferenceService beside those of KServe."""

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from kubernetes import client

from rollout.objects import KINDS
from rollout.workload import Workload

TYPE = "RolledOut"
ATTEMPTS = 3  # KServe writes the same status


class Condition(msgspec.Struct, frozen=True):
    """True: the wanted version is stable. Unknown: on the way. False: it was rolled back or rejected."""

    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str


class Conditions:
    """The condition `RolledOut` of stable's InferenceService."""

    def __init__(self, workload: Workload, namespace: str, custom: Any) -> None:
        self._workload = workload
        self._namespace = namespace
        self._custom = custom

    def read(self) -> Condition | None:
        """None where it was never set, or there is no InferenceService yet."""
        return _own(self._get())

    def write(self, condition: Condition) -> None:
        """Changes nothing where it says this already, or where there is no InferenceService yet."""
        for attempt in range(ATTEMPTS):
            service = self._get()
            if service is None or _own(service) == condition:
                return
            try:
                self._patch(service, condition)
            except client.ApiException as error:
                if error.status != 409 or attempt == ATTEMPTS - 1:
                    raise
            else:
                return

    def _patch(self, service: dict[str, Any], condition: Condition) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        own = {"type": TYPE, "severity": "Info", "lastTransitionTime": now, **msgspec.to_builtins(condition)}
        others = [each for each in _conditions(service) if each["type"] != TYPE]
        body = {
            "metadata": {"resourceVersion": service["metadata"]["resourceVersion"]},
            "status": {"conditions": [*others, own]},
        }
        group, version, plural = KINDS["InferenceService"]
        place = (group, version, self._namespace, plural, self._workload.stable)
        self._custom.patch_namespaced_custom_object_status(*place, body, _content_type="application/merge-patch+json")

    def _get(self) -> dict[str, Any] | None:
        return self._workload.service(self._workload.stable)


def _conditions(service: dict[str, Any] | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (service or {}).get("status", {}).get("conditions", [])
    return found


def _own(service: dict[str, Any] | None) -> Condition | None:
    for each in _conditions(service):
        if each["type"] == TYPE:
            return Condition(each["status"], each.get("reason", ""), each.get("message", ""))
    return None
