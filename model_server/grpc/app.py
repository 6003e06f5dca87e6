"""Every gRPC call's way through the server: routed, authorized, admitted, answered, counted."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from google.protobuf.message import Message

from model_server.access import Access, Right
from model_server.errors import Overloaded, ServeError, Unimplemented
from model_server.failures import told
from model_server.grpc.call import Call
from model_server.grpc.messages import Reply, ended, succeeded
from model_server.grpc.stream import Messages
from model_server.metrics import Metrics
from model_server.overload.admission import Admission
from model_server.overload.constants import INLINE_BYTES, OPEN_STREAMS
from model_server.tracing.conventions import Attributes, rpc_attributes, rpc_name

if TYPE_CHECKING:
    from model_server.tracing.tracer import Tracer

PROTOCOL = "grpc"  # in metrics


Answer = Any  # of protobuf's messages, which has no types of its own


class Method(NamedTuple):
    """One that takes a message and gives one, at once or later; `right` is None where anyone may call it.

    `scores` says that its calls are counted, and wait in the queue.
    """

    handler: Callable[[Call], Answer | Awaitable[Answer]]
    right: Right | None = None
    traced: bool = False
    scores: bool = False


Send = Callable[[bytes], Awaitable[None]]
# A method whose calls stay open: it reads messages and sends some, and ends.
Stay = Callable[[Call, Messages, Send], Awaitable[None]]
Staying = Callable[[Call, Messages, Send], Awaitable[Reply]]


class GrpcApp:
    """All methods of one server, by their paths."""

    def __init__(
        self,
        methods: Mapping[bytes, Method],
        staying: Mapping[bytes, Stay],
        metrics: Metrics,
        access: Access,
        admission: Admission,
        most_bytes: int,
        tracer: "Tracer | None" = None,
    ) -> None:
        """`most_bytes` are those of a message that is scored; of others, `INLINE_BYTES`, as they are read at once."""
        self._most_bytes = most_bytes
        self._methods = methods
        self._staying = staying
        self._metrics = metrics
        self._access = access
        self._admission = admission
        self.queue = admission.queue
        self._tracer = tracer
        self._open = None if access.guards(Right.predict) else Right.predict  # for which no token is asked
        self._stay = 0  # calls that do

    def shed(self, what: str) -> None:
        """Counts a connection that was refused for there being too many."""
        self._metrics.shed(what)

    def answer(self, call: Call) -> Reply | Awaitable[Reply]:
        """The reply to a whole call, at once or to be awaited; raises nothing."""
        started = time.perf_counter()
        method = self._methods.get(call.path, _UNKNOWN)
        try:
            if self._tracer and method.traced:
                call.trace = self._begun(self._tracer, call)
            if method.scores:
                self._admission.admit(started, call.came)
            if method.right is None or method.right is self._open:
                answer = method.handler(call)
            else:
                answer = self._authorized(call, method, method.right)
            if not isinstance(answer, Message):
                return self._later(call, method, answer, started)
            return self._succeeded(call, method, answer, started)
        except Exception as error:
            return self._failed(call, method, error, started)

    def refuse(self, call: Call, error: ServeError) -> Reply:
        """The reply to a call that is refused before it is whole."""
        return self._failed(call, self._methods.get(call.path, _UNKNOWN), error, time.perf_counter())

    def most_bytes(self, path: bytes) -> int:
        """Bytes that a message of this method may have, unpacked too."""
        return self._most_bytes if self._methods.get(path, _UNKNOWN).scores else INLINE_BYTES

    def staying(self, call: Call) -> Staying | None:
        """What answers the call where it stays open, else None."""
        return self._counted if call.path in self._staying else None

    async def _counted(self, call: Call, messages: Messages, send: Send) -> Reply:
        if self._stay == OPEN_STREAMS:
            sentence = f"{OPEN_STREAMS} such calls are already open, the most that this server allows."
            return ended("RESOURCE_EXHAUSTED", sentence)
        self._stay += 1
        try:
            await self._staying[call.path](call, messages, send)
        except Exception as error:
            return self._ended(call, _told(call, error))
        finally:
            self._stay -= 1
        return ended("OK", "")

    async def _authorized(self, call: Call, method: Method, right: Right) -> Answer:
        call.caller = await self._access.admit(right, call.sent("authorization"), method.handler.__name__)
        answer = method.handler(call)
        return answer if isinstance(answer, Message) else await answer

    async def _later(self, call: Call, method: Method, answer: Awaitable[Answer], started: float) -> Reply:
        structlog.contextvars.bind_contextvars(**call.log_fields)
        try:
            return self._succeeded(call, method, await answer, started)
        except Exception as error:
            return self._failed(call, method, error, started)

    def _succeeded(self, call: Call, method: Method, answer: Answer, started: float) -> Reply:
        reply = succeeded(answer.SerializeToString(), call.version, call.sent_id)
        self._count(call, method, "OK", started)
        return reply

    def _failed(self, call: Call, method: Method, error: Exception, started: float) -> Reply:
        answer = _told(call, error)
        self._count(call, method, answer.grpc, started)
        return self._ended(call, answer)

    def _ended(self, call: Call, error: ServeError) -> Reply:
        if not isinstance(error, Overloaded):
            return ended(error.grpc, str(error), (b"x-request-id", call.id))
        pushback = b"%d" % (error.retry_seconds * 1000)  # for clients' own retry policy
        fields = ((b"x-request-id", call.id), (b"grpc-retry-pushback-ms", pushback))
        return ended(error.grpc, str(error), *fields, delay=self._admission.refuse(PROTOCOL))

    def _count(self, call: Call, method: Method, status: str, started: float) -> None:
        seconds = time.perf_counter() - started
        if call.trace:
            call.trace.end(status)
        if method.scores:
            trace_id = call.trace.trace_id if call.trace else ""
            self._metrics.request(PROTOCOL, call.version, status, seconds, trace_id)

    def _begun(self, tracer: "Tracer", call: Call) -> Any:
        """The trace of a call, None if it is not sampled."""
        name = call.path.decode("latin-1")

        def describe() -> tuple[str, Attributes]:
            return rpc_name(name), rpc_attributes(name)

        return tracer.begin(describe, call.sent("traceparent"), call.sent("tracestate"))


def _told(call: Call, error: Exception) -> ServeError:
    return told(error, "call failed", call.version, lambda: {"method": call.path.decode("latin-1")} | call.log_fields)


def _unknown(call: Call) -> Answer:
    raise Unimplemented(f"This server has no method {call.path.decode('latin-1')}; reflection lists those that it has.")


_UNKNOWN = Method(_unknown)
