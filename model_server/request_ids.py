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


def log_fields(request_id: str, trace: "Trace | None", traceparent: str | None) -> dict[str, str]:
    """What log lines about the request say of it; `traceparent` is the caller's, where the request is not sampled."""
    context = trace.context if trace else TraceContext.parse(traceparent) if traceparent else None
    request_id = "".join(each if each.isprintable() else "?" for each in request_id)  # a terminal may obey the others
    if context is None:
        return {"request_id": request_id}
    return {"request_id": request_id, "trace_id": context.trace_id, "span_id": context.span_id}
