"""Which request a log line is about: its id, and its trace where it has one."""

import itertools
import os
from typing import TYPE_CHECKING

from model_server.tracing.context import TraceContext

if TYPE_CHECKING:
    from model_server.tracing.tracer import Trace

_PROCESS = os.urandom(6).hex().encode()
_numbers = itertools.count()


def new_id() -> bytes:
    """An id that no other request of any server has."""
    return b"%b-%x" % (_PROCESS, next(_numbers))


def trace_context(trace: "Trace | None", traceparent: str | None) -> TraceContext | None:
    """The trace that a request belongs to: the server's own span where it is sampled, else the caller's, if any."""
    if trace:
        return trace.context
    return TraceContext.parse(traceparent) if traceparent else None


def log_fields(request_id: str, context: TraceContext | None) -> dict[str, str]:
    """What log lines about the request say of it; `context` is the trace that it belongs to."""
    request_id = "".join(each if each.isprintable() else "?" for each in request_id)  # a terminal may obey the others
    if context is None:
        return {"request_id": request_id}
    return {"request_id": request_id, "trace_id": context.trace_id, "span_id": context.span_id}
