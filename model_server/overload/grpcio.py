"""The one place that reads grpcio's private state, since it has no public option for this."""

from typing import Any

import grpc
import structlog
from grpc import _server

from model_server.overload.constants import TAKEN_UP

log = structlog.get_logger(__name__)


def take_up(server: grpc.Server) -> None:
    """Has grpc give a started server TAKEN_UP calls at once, where it would give one after the other.

    So that those who wait do so where they are counted, and not within grpc. A grpcio without this state serves as it
    does, one call after the other.
    """
    state: Any = getattr(server, "_state", None)
    if not all(hasattr(state, name) for name in ("lock", "due")) or not hasattr(_server, "_request_call"):
        log.warning("this grpcio accepts calls one at a time", grpcio=grpc.__version__)
        return
    with state.lock:
        state.due = Due(state.due)
        for _ in range(TAKEN_UP - 1):
            _server._request_call(state)


class Due(list[Any]):
    """The events that grpc waits for before it has stopped; in its own set, several of one kind would be one."""

    add = list.append
