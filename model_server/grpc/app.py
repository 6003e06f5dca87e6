"""Every gRPC call's way through the server: routed, authorized, admitted, answered, counted."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from model_server.access import Access, Right
from model_server.errors import ModelFailed, Overloaded, ServeError, Unimplemented
from model_server.grpc.call import Call
from model_server.grpc.messages import Reply, ended, succeeded
from model_server.grpc.stream import Messages
from model_server.metrics import Metrics
from model_server.overload.constants import INLINE_BYTES, OPEN_STREAMS
from model_server.overload.event_loop import LoopQueue
from model_server.overload.policy import Pace
from model_server.tracing.conventions import Attributes, rpc_attributes, rpc_name

if TYPE_CHECKING:
    from model_server.tracing.tracer import Tracer

log = structlog.get_logger(__name__)

PROTOCOL = "grpc"  # in metrics


class Answer(NamedTuple):
    """A method's answer, a message of protobuf; `version` is the one that gave it, if one did."""

    message: Any
    version: str = ""


class Method(NamedTuple):
    """One that takes a message and gives one; `right` is None where anyone may call it.

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
        queue: LoopQueue,
        pace: Pace,
        most_bytes: int,
        tracer: "Tracer | None" = None,
    ) -> None:
        """`most_bytes` are those of a message that is scored; of others, `INLINE_BYTES`, as they are read at once."""
        self._most_bytes = most_bytes
        self._methods = methods
        self._staying = staying
        self._metrics = metrics
        self._access = access
        self.queue = queue
        self._pace = pace
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
            if method.scores and not self.queue.admits(started, call.came):
                raise Overloaded
            if method.right is None or method.right is self._open:
                answer = method.handler(call)
            else:
                answer = self._authorized(call, method, method.right)
            if not isinstance(answer, Answer):
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
            return self._ended(call, _reported(call, error))
        finally:
            self._stay -= 1
        return ended("OK", "")

    async def _authorized(self, call: Call, method: Method, right: Right) -> Answer:
        call.caller = await self._access.admit(right, call.sent("authorization"), method.handler.__name__)
        answer = method.handler(call)
        return answer if isinstance(answer, Answer) else await answer

    async def _later(self, call: Call, method: Method, answer: Awaitable[Answer], started: float) -> Reply:
        structlog.contextvars.bind_contextvars(**call.log_fields)
        try:
            return self._succeeded(call, method, await answer, started)
        except Exception as error:
            return self._failed(call, method, error, started)

    def _succeeded(self, call: Call, method: Method, answer: Answer, started: float) -> Reply:
        reply = succeeded(answer.message.SerializeToString(), answer.version, call.sent_id)
        self._count(call, method, "OK", started)
        return reply

    def _failed(self, call: Call, method: Method, error: Exception, started: float) -> Reply:
        told = _reported(call, error)
        self._count(call, method, told.grpc, started)
        return self._ended(call, told)

    def _ended(self, call: Call, error: ServeError) -> Reply:
        fields = [(b"x-request-id", call.id)]
        delay = 0.0
        if isinstance(error, Overloaded):
            self.shed(PROTOCOL)
            delay = self._pace.delay(time.perf_counter())
            fields.append(
                (b"grpc-retry-pushback-ms", b"%d" % (error.retry_seconds * 1000))
            )  # for clients' retry policy
        return ended(error.grpc, str(error), *fields, delay=delay)

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


def _reported(call: Call, error: Exception) -> ServeError:
    """What the caller is told of a failure, and a log line if the server is at fault."""
    if not isinstance(error, ServeError):
        log.error("call failed", method=call.path.decode("latin-1"), exc_info=error, **call.log_fields)
        return ModelFailed("The server failed on this request; its log has the cause.")
    if isinstance(error, ModelFailed):
        log.error("model failed", version=call.version, exc_info=error.__cause__ or error, **call.log_fields)
    return error


def _unknown(call: Call) -> Answer:
    raise Unimplemented(f"This server has no method {call.path.decode('latin-1')}; reflection lists those that it has.")


_UNKNOWN = Method(_unknown)
