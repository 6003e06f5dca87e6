"""A request and a response of HTTP, no more than the endpoints need, and what answers a request."""

import time
from collections.abc import Awaitable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec.structs import replace

from model_server.codecs.compression import PACKED_BYTES, packed, unpacked
from model_server.errors import MethodNotAllowed, Overloaded, ServeError, UnsupportedMediaType
from model_server.overload.connections import Body, ConnectionLimits
from model_server.request_ids import log_fields, trace_context
from model_server.rest.accept import weight

if TYPE_CHECKING:
    from model_server.tracing.tracer import Trace

JSON = b"application/json"
_BODY_TYPES = (b"application/json", b"application/octet-stream")

Headers = tuple[tuple[bytes, bytes], ...]


class Response(msgspec.Struct, gc=False):
    """`delay` is how long it waits before it is sent, s."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: Headers = ()
    delay: float = 0.0


# An answer that waits for something (a thread, a training) is awaited; any other is there at once, without a task.
Answer = Response | Awaitable[Response]


class Request:
    """One HTTP request as it came; `id` is the caller's `x-request-id`, or one made here.

    `version` is the one that answers it, or fails, for the metrics.
    """

    __slots__ = ("body", "headers", "id", "keep_alive", "method", "url", "version")

    def __init__(self, limits: ConnectionLimits) -> None:
        self.method = ""
        self.url = b""
        self.headers: dict[bytes, bytes] = {}
        self.body = Body(limits)
        self.keep_alive = False
        self.id = b""
        self.version = ""

    def header(self, name: str) -> str | None:
        """A header's value, None where it was not sent; names are in lower case."""
        value = self.headers.get(name.encode())
        return None if value is None else value.decode("latin-1")

    def log_fields(self, trace: "Trace | None") -> dict[str, str]:
        """What log lines about this request say of it."""
        return log_fields(self.id.decode("latin-1"), trace_context(trace, self.header("traceparent")))

    @property
    def is_packed(self) -> bool:
        """Whether the body is compressed."""
        return b"content-encoding" in self.headers

    def content(self) -> bytes:
        """The body, unpacked if it is compressed; UnsupportedMediaType when it is neither JSON nor binary tensors.

        TooLarge when it is too large then, Overloaded when all requests hold too much.
        """
        came = self.headers.get(b"content-type", JSON)
        if came not in _BODY_TYPES and came.split(b";", 1)[0].strip().lower() not in _BODY_TYPES:
            raise UnsupportedMediaType(
                f"Content-Type is '{came.decode('latin-1')}'; send application/json, or application/octet-stream "
                "for binary tensors."
            )
        coding = self.headers.get(b"content-encoding")
        content = self.body.content()
        if coding is None:
            return content
        content = unpacked(content, coding.decode("latin-1"), self.body.limit)
        self.body.unpacked_to(len(content))
        return content


class App(Protocol):
    """What answers; it raises nothing."""

    def answer(self, request: Request) -> Answer:
        """The answer to a whole request."""

    def refuse(self, request: Request, error: ServeError) -> Response:
        """The answer to a request that is refused before it is whole."""

    def shed(self, what: str) -> None:
        """Counts a connection that was refused."""


def json_response(value: Any, status: int = 200, headers: Headers = ()) -> Response:
    """The value as JSON; any that msgspec can encode."""
    return Response(status, msgspec.json.encode(value), JSON, headers)


def smaller(request: Request, response: Response) -> Response:
    """The response compressed, where it is worth it and the caller accepts it."""
    accepted = request.headers.get(b"accept-encoding")
    if accepted is None or len(response.body) < PACKED_BYTES or not weight(accepted, b"gzip"):
        return response
    return replace(response, body=packed(response.body), headers=(*response.headers, *_PACKED))


_PACKED: Headers = ((b"content-encoding", b"gzip"), (b"vary", b"accept-encoding"))


def error_response(error: ServeError) -> Response:
    """The response for an error: its sentence, and the headers that belong to its status."""
    headers: Headers = ()
    if error.http == 401:
        headers = ((b"www-authenticate", b"Bearer"),)
    elif isinstance(error, Overloaded):
        headers = ((b"retry-after", b"%d" % error.retry_seconds),)
    elif isinstance(error, MethodNotAllowed):
        headers = ((b"allow", error.allow.encode()),)
    return json_response({"error": str(error)}, error.http, headers)


def wire(response: Response, request_id: bytes, method: str, keep_alive: bool) -> bytes:
    """The response as it is sent."""
    head = _head(response.status, response.content_type, response.headers, keep_alive)
    head %= len(response.body), request_id, _date(int(time.time()))
    return head if method == "HEAD" else head + response.body


@lru_cache
def version_header(version: str) -> Headers:
    """The header that names the version of an answer."""
    return ((b"x-loan-version", version.encode()),)


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


@lru_cache(maxsize=256)  # nearly every answer has one of a few heads; to put one together takes 2 us
def _head(status: int, content_type: bytes, headers: Headers, keep_alive: bool) -> bytes:
    lines = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode()), b"content-type: " + content_type]
    lines += [name + b": " + value.replace(b"%", b"%%") for name, value in headers]
    if not keep_alive:
        lines.append(b"connection: close")
    return b"\r\n".join([*lines, b"content-length: %d", b"x-request-id: %b", b"date: %b\r\n\r\n"])
