"""One call of a gRPC method: what its caller sent beside the message, and what its log lines and spans say of it."""

import re
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from model_server.access import ANYONE
from model_server.errors import InvalidInput
from model_server.grpc.headers import Head
from model_server.grpc.messages import only_message
from model_server.overload.connections import Body, ConnectionLimits
from model_server.overload.constants import ID_BYTES, INLINE_BYTES
from model_server.request_ids import log_fields, new_id, trace_context

if TYPE_CHECKING:
    from model_server.tracing.tracer import Trace


class Call:
    """`id` is the caller's `x-request-id`, or one made here; `trace` is there when the call is sampled.

    `version` is the one that answers or fails, and `caller` is who asks, once these are known; `came` is when all of it
    was there, by `time.perf_counter`.
    """

    __slots__ = ("body", "caller", "came", "fields", "id", "most_bytes", "path", "trace", "version")

    def __init__(self, head: Head, limits: ConnectionLimits, most_bytes: int) -> None:
        self.path, self.fields = head
        self.most_bytes = most_bytes  # of a message, unpacked too
        self.body = Body(limits)
        self.id = _printable(self.fields.get(b"x-request-id", b"")[:ID_BYTES]) or new_id()
        self.caller = ANYONE
        self.came = 0.0
        self.version = ""
        self.trace: Trace | None = None

    def sent(self, name: str) -> str | None:
        """What the caller sent under this name, None if nothing."""
        value = self.fields.get(name.encode())
        return None if value is None else value.decode("latin-1")

    @property
    def is_large(self) -> bool:
        """Whether to read it takes longer than a hop to a thread: it is, or may be when it is unpacked."""
        return self.body.size > INLINE_BYTES or self.fields.get(b"grpc-encoding", b"identity") != b"identity"

    def answered_by(self, version: str) -> None:
        """Told which version answers it, or fails, for metrics, logs and the caller."""
        self.version = version

    @property
    def sent_id(self) -> bytes:
        """The caller's id, empty where it sent none: one that was made here goes back with failures alone."""
        return self.id if b"x-request-id" in self.fields else b""

    @property
    def request_id(self) -> str:
        """The caller's `x-request-id`, or the one that was made for it."""
        return self.id.decode()

    @property
    def traceparent(self) -> str:
        """The trace that it belongs to, for others who are called; empty if to none."""
        context = trace_context(self.trace, self.sent("traceparent"))
        return context.header if context else ""

    @property
    def log_fields(self) -> dict[str, str]:
        """What log lines about this call say of it."""
        return log_fields(self.id.decode(), trace_context(self.trace, self.sent("traceparent")))

    def request(self, kind: Any) -> Any:
        """The message, of a class of protobuf's; InvalidInput where it is none, TooLarge where it is unpacked."""
        coding = self.fields.get(b"grpc-encoding", b"")
        return parsed(kind, only_message(self.body.content(), coding, self.most_bytes))


def parsed(kind: Any, message: bytes) -> Any:
    """A message of protobuf; InvalidInput where it is none."""
    try:
        return kind.FromString(message)
    except DecodeError:
        raise InvalidInput("The message is not what this method takes, or is broken.") from None


def _printable(sent: bytes) -> bytes:
    """The bytes where each may stand in a header, and in a line of a log."""
    text = sent.decode(errors="replace")
    return sent if text.isascii() and text.isprintable() else re.sub("[^ -~]", "?", text).encode()
