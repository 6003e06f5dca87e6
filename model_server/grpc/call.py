"""One call of a gRPC method: what its caller sent beside the message, and what goes back beside the answer."""

import re
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import grpc

from model_server.errors import ServeError
from model_server.overload.constants import ID_BYTES
from model_server.request_ids import log_fields, new_id, trace_context
from model_server.tracing.conventions import Attributes, rpc_attributes, rpc_name

if TYPE_CHECKING:
    from model_server.tracing.tracer import Trace, Tracer


class Call(NamedTuple):
    """`request_id` is the caller's `x-request-id`, or one made here; `trace` is there when the call is sampled."""

    context: grpc.ServicerContext
    metadata: dict[str, Any]
    request_id: str
    trace: "Trace | None" = None

    @classmethod
    def of(cls, context: grpc.ServicerContext) -> "Call":
        """The call that grpc knows as `context`."""
        metadata = dict(context.invocation_metadata())
        sent = str(metadata.get("x-request-id", ""))[:ID_BYTES]
        if not (sent.isascii() and sent.isprintable()):  # grpc takes any bytes, and fails a call that returns them
            sent = re.sub("[^ -~]", "?", sent)
        return cls(context, metadata, sent or new_id().decode())

    def sent(self, key: str) -> str | None:
        """What the caller sent under this key of the metadata, None if nothing."""
        value = self.metadata.get(key)
        return None if value is None else str(value)

    @property
    def traceparent(self) -> str:
        """The trace that it belongs to, for others who are called; empty if to none."""
        context = trace_context(self.trace, self.sent("traceparent"))
        return context.header if context else ""

    @property
    def log_fields(self) -> dict[str, str]:
        """What log lines about this call say of it."""
        return log_fields(self.request_id, trace_context(self.trace, self.sent("traceparent")))

    def traced(self, tracer: "Tracer", method: str) -> "Call":
        """The call, with a trace if it is sampled; `method` is its full name."""

        def describe() -> tuple[str, Attributes]:
            return rpc_name(method), rpc_attributes(method)

        trace = tracer.begin(describe, self.sent("traceparent"), self.sent("tracestate"))
        return self if trace is None else self._replace(trace=trace)

    def respond(self, version: str) -> None:
        """Says what goes back beside the answer: the version that gave it, if one did, and the caller's own id.

        Trailing metadata, not leading: that would be one more write for each call. An id that was made here goes back
        with failures alone, whose log line it names; each entry costs 5 us.
        """
        answered = (("x-loan-version", version),) if version else ()
        if "x-request-id" in self.metadata:
            answered = (*answered, ("x-request-id", self.request_id))
        if answered:
            self.context.set_trailing_metadata(answered)

    def abort(self, error: ServeError, *metadata: tuple[str, str]) -> NoReturn:
        """Ends the call with an error's gRPC status and sentence."""
        self.context.set_trailing_metadata((("x-request-id", self.request_id), *metadata))
        self.context.abort(grpc.StatusCode[error.grpc], str(error))
        raise AssertionError
