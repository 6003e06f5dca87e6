"""A request and a response over ASGI, no more than the doors need."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import msgspec

from model_server.errors import InvalidInput, ServeError, TooLarge, UnsupportedMediaType

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON = b"application/json"
_BODY_TYPES = (b"application/json", b"application/octet-stream")


class Response(NamedTuple):
    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Request:
    """One HTTP request; `version` is set once it is known, for the metrics."""

    __slots__ = ("_receive", "_scope", "headers", "method", "version")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive
        self.method: str = scope["method"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.version = ""

    def header(self, name: str) -> str | None:
        value: bytes | None = self.headers.get(name.encode())
        return None if value is None else value.decode("latin-1")

    def query(self, name: str) -> str | None:
        """The last value of a query parameter; InvalidInput when the query is not UTF-8."""
        text = self._scope["query_string"]
        if not text:
            return None
        try:
            values = parse_qs(text.decode("ascii"), errors="strict").get(name)
        except (UnicodeDecodeError, ValueError):
            raise InvalidInput("The query string is not valid; percent-encode it as UTF-8.") from None
        return values[-1] if values else None

    async def body(self, limit: int) -> bytes:
        """The whole body; TooLarge once it passes `limit` bytes, announced or not."""
        self._check_type()
        announced = self.headers.get(b"content-length", b"0")
        if int(announced) > limit:
            raise TooLarge(f"The body has {int(announced)} bytes; this server takes at most {limit}.")
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await self._receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit:
                raise TooLarge(f"The body has more than {limit} bytes, the most that this server takes.")
            more = message.get("more_body", False)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _check_type(self) -> None:
        if b"content-encoding" in self.headers:
            raise UnsupportedMediaType("The body is compressed; send it as it is.")
        came = self.headers.get(b"content-type")
        if came is not None and came.split(b";", 1)[0].strip().lower() not in _BODY_TYPES:
            raise UnsupportedMediaType(
                f"Content-Type is '{came.decode('latin-1')}'; send application/json, or application/octet-stream "
                "for binary tensors."
            )


def json_response(value: Any, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Response:
    return Response(status, msgspec.json.encode(value), JSON, headers)


def error_response(error: ServeError) -> Response:
    return json_response({"error": str(error)}, error.http)


async def send_response(send: Send, response: Response) -> None:
    headers = [
        (b"content-type", response.content_type),
        (b"content-length", b"%d" % len(response.body)),
        *response.headers,
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
