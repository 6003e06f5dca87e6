"""HTTP/1.1 on one connection: bytes to requests, responses to bytes, in order.

httptools parses, uvicorn owns the ports and the shutdown; this stands between them in the place of uvicorn's ASGI
protocol. ASGI makes a scope, two queues of messages, an event and a task for each request, 30 us that are most of what
a prediction costs. Here an answer that is there at once is written at once, from within the parser's callback: 10 us.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Any, Protocol

import httptools
import uvicorn
from uvicorn.server import ServerState

from model_server.errors import InvalidInput, TooLarge
from model_server.rest.http import Answer, Request, Response, error_response, wire

HEAD_BYTES = 64 * 1024


class App(Protocol):
    """What answers; it raises nothing."""

    max_body_bytes: int

    def answer(self, request: Request) -> Answer: ...


class HttpProtocol(asyncio.Protocol):
    """Takes requests off one connection and answers them one after the other, pipelined ones too."""

    def __init__(self, config: uvicorn.Config, server_state: ServerState, **_: Any) -> None:
        self._app: App = config.app  # type: ignore[assignment]
        self._idle_seconds: float = config.timeout_keep_alive
        self._state = server_state
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Request] = deque()
        self._request: Request | None = None  # being received
        self._in_head = False
        self._received = 0  # bytes of its head or body
        self._parts: list[bytes] = []
        self._busy = False  # with an answer that is awaited
        self._blocked = False  # the client does not read what it was sent
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._state.connections.add(self)  # type: ignore[arg-type]
        self._heard = self._loop.time()
        self._timer = self._loop.call_later(self._idle_seconds, self._close_if_idle)

    def connection_lost(self, _: Exception | None) -> None:
        self._state.connections.discard(self)
        self._timer.cancel()
        self._closing = True
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse_connection(InvalidInput(f"This is not an HTTP/1.1 request: {error}."))
        else:
            if self._in_head:
                self._received += len(data)
                if self._received > HEAD_BYTES:
                    self._refuse_connection(TooLarge(f"The request's head has more than {HEAD_BYTES} bytes."))

    def on_message_begin(self) -> None:
        self._request = Request()
        self._in_head = True
        self._received = 0

    def on_url(self, part: bytes) -> None:
        self._request.url += part  # type: ignore[union-attr]

    def on_header(self, name: bytes, value: bytes) -> None:
        self._request.headers[name.lower()] = value  # type: ignore[union-attr]

    def on_headers_complete(self) -> None:
        request: Request = self._request  # type: ignore[assignment]
        request.method = self._parser.get_method().decode()
        request.keep_alive = self._parser.should_keep_alive() and self._parser.get_http_version() != "1.0"
        self._in_head = False
        self._received = 0
        if self._parser.should_upgrade():
            return
        headers = request.headers
        announced, limit = int(headers.get(b"content-length", 0)), self._app.max_body_bytes
        if announced > limit:
            self._refuse(TooLarge(f"The body has {announced} bytes; this server takes at most {limit}."))
        elif headers.get(b"expect", b"").lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        self._received += len(part)
        if self._received <= self._app.max_body_bytes:
            self._parts.append(part)
        else:
            limit = self._app.max_body_bytes
            self._refuse(TooLarge(f"The body has more than {limit} bytes, the most that this server takes."))

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade():
            return
        request, self._request = self._request, None
        parts, self._parts = self._parts, []
        if request is None or self._closing:
            return
        if request.refusal is not None:
            if request not in self._waiting:  # it was answered, and the client has sent all, so that it reads that
                self._close()
            return
        request.body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._waiting.append(request)
        self._answer_waiting()

    def shutdown(self) -> None:
        """Closes once what has begun is answered."""
        if self._request is None and not self._waiting and not self._busy:
            self._close()
        else:
            self._idle_seconds = 0

    def pause_writing(self) -> None:
        self._blocked = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._blocked = False
        self._answer_waiting()

    def _answer_waiting(self) -> None:
        while self._waiting and not self._busy and not self._blocked:
            request = self._waiting.popleft()
            answer = self._app.answer(request)
            if isinstance(answer, Response):
                self._send(request, answer)
            else:
                self._busy = True
                self._transport.pause_reading()
                task = self._loop.create_task(self._answer_later(request, answer))
                self._state.tasks.add(task)
                task.add_done_callback(self._state.tasks.discard)
                return
        if not self._busy and not self._blocked and not self._closing:
            self._transport.resume_reading()

    async def _answer_later(self, request: Request, answer: Awaitable[Response]) -> None:
        response = await answer
        self._busy = False
        self._send(request, response)
        self._answer_waiting()

    def _send(self, request: Request, response: Response) -> None:
        if self._closing:
            return
        keep_alive = request.keep_alive and self._idle_seconds > 0
        self._transport.write(wire(response, request.method, keep_alive))
        if not keep_alive and request is not self._request:
            self._close()

    def _refuse(self, error: TooLarge) -> None:
        """Answers before all of the request is there; what still comes of it is read and dropped."""
        request: Request = self._request  # type: ignore[assignment]
        self._parts.clear()
        if request.refusal is None:
            request.refusal, request.keep_alive = error, False
            self._waiting.append(request)
            self._answer_waiting()

    def _decline_upgrade(self, rest: bytes) -> None:
        """Reads the request again as if it offered no other protocol: the parser takes an offer for the body's end."""
        request: Request = self._request  # type: ignore[assignment]
        if request.method == "CONNECT":
            self._refuse_connection(InvalidInput("This server is no proxy for HTTP; it takes no CONNECT."))
            return
        lines = [request.method.encode() + b" " + request.url + b" HTTP/1.1"]
        lines += [name + b": " + value for name, value in request.headers.items() if name != b"upgrade"]
        self._parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join([*lines, b"", rest]))

    def _refuse_connection(self, error: InvalidInput | TooLarge) -> None:
        if not self._closing:
            self._transport.write(wire(error_response(error), "", keep_alive=False))
            self._close()

    def _close_if_idle(self) -> None:
        idle = self._loop.time() - self._heard
        if idle >= self._idle_seconds and not self._busy:
            self._close()
        else:
            self._timer = self._loop.call_later(max(self._idle_seconds - idle, 1), self._close_if_idle)

    def _close(self) -> None:
        self._closing = True
        self._waiting.clear()
        self._transport.close()
