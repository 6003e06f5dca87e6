"""Events: what the cluster is told of an object, for `kubectl describe` and for alerts."""

import socket
from datetime import UTC, datetime
from typing import Any, Literal

COMPONENT = "loan-rollout"
LONGEST_NOTE = 1024  # what the API takes


def write(
    core: Any,
    namespace: str,
    about: dict[str, str],
    kind: Literal["Normal", "Warning"],
    reason: str,
    message: str,
    at: datetime | None = None,
) -> None:
    """Writes an event about the object that `about` refers to; ApiException where the cluster does not take it."""
    at = at or datetime.now(UTC)
    time = at.isoformat().replace("+00:00", "Z")
    body = {
        "metadata": {"generateName": f"{about['name']}-rollout-"},
        "involvedObject": about,
        "reason": reason,
        "message": message[:LONGEST_NOTE],
        "type": kind,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": socket.gethostname(),
        "action": reason,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "count": 1,
    }
    core.create_namespaced_event(namespace, body)
