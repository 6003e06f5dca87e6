"""HTTP/1.1 on one connection: bytes to requests, responses to bytes, in order.

httptools parses, uvicorn owns the ports and the shutdown; this stands between them in the place of uvicorn's ASGI
protocol. ASGI makes a scope, two queues of messages, an event and a task for each request, 30 us that are most of what
a prediction costs. Here an answer that is there at once is written at once, from within the parser's callback: 10 us.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Any

import httptools
import uvicorn
from uvicorn.server import ServerState

from model_server.errors import InvalidInput, Overloaded, ServeError, TooLarge, TooSlow, UrlTooLong
from model_server.overload.connections import ConnectionLimits
from model_server.overload.constants import AT_ONCE, HEAD_BYTES, ID_BYTES, READ_BYTES, URL_BYTES
from model_server.request_ids import new_id
from model_server.rest.head import ONCE, repeated, wrong_head
from model_server.rest.http import App, Request, Response, error_response, wire


class HttpProtocol(asyncio.Protocol):
    """Takes requests off one connection and answers them one after the other, pipelined ones too."""

    def __init__(self, limits: ConnectionLimits, config: uvicorn.Config, server_state: ServerState, **_: Any) -> None:
        self._app: App = config.app  # type: ignore[assignment]
        self._limits = limits
        self._state = server_state
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request, ServeError | None]] = deque()  # and why it is refused, if it is
        self._request: Request | None = None  # being received
        self._refused = False  # as is already known
        self._in_head = False  # or between parts of its body, behind which more headers may come
        self._heads = 0  # begun on this connection
        self._header_bytes = 0
        self._unfinished_bytes = 0  # read for this head without reaching its end
        self._read_bytes = 0  # since the request began
        self._twice = b""  # a header of this request that may stand once only
        self._ending = False  # the server stops
        self._turn = 0  # requests answered since others had theirs
        self._busy = False  # with an answer that is awaited
        self._blocked = False  # the client does not read what it was sent
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Starts the time for the first head, and refuses the connection where there is no room for it."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._heard = self._began = self._loop.time()
        self._timer = self._loop.call_later(self._limits.head_seconds, self._look)
        try:
            self._limits.make_room(self._state.connections)  # type: ignore[arg-type]
            self._state.connections.add(self)  # type: ignore[arg-type]
        except Overloaded as error:
            self._refuse_connection(error)

    def connection_lost(self, _: Exception | None) -> None:
        """Drops the requests that wait and counts their bodies no longer; an answer still awaited is not sent."""
        self._state.connections.discard(self)
        self._timer.cancel()
        self._closing = True
        self._forget()

    def data_received(self, data: bytes) -> None:
        """Parses and so answers; refuses a head over HEAD_BYTES; over READ_BYTES reads on in turn with others."""
        self._heard = self._loop.time()
        self._turn = 0
        self._read_bytes += len(data)
        idle, heads = self._request is None, self._heads
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse_connection(InvalidInput(f"This is not an HTTP/1.1 request: {error}."))
        else:
            if self._in_head:
                self._count_head(len(data), self._heads - heads, idle)
                if max(self._header_bytes, self._unfinished_bytes) > HEAD_BYTES:
                    self._refuse_connection(TooLarge(f"The request's head has more than {HEAD_BYTES} bytes."))
            if self._read_bytes > READ_BYTES and self._request is not None and not self._closing:
                self._transport.pause_reading()
                self._limits.in_turn(self._read_on)

    def _read_on(self) -> None:
        if not self._busy and not self._blocked and not self._closing:
            self._transport.resume_reading()

    def _count_head(self, size: int, begun: int, idle: bool) -> None:
        """Of what was read, counts for the head in which it ends what is surely its own."""
        if begun == 0:
            self._unfinished_bytes += size
        else:
            self._unfinished_bytes = size if idle and begun == 1 else 0

    def on_message_begin(self) -> None:
        """Begins a request, whose time runs from when its first bytes were read."""
        self._request = Request(self._limits)
        self._refused = False
        self._began = self._heard
        self._read_bytes = 0
        self._begin_head()

    def on_chunk_header(self) -> None:
        """Counts bytes as those of a head again: behind the last chunk more headers may come."""
        self._begin_head()

    def _begin_head(self) -> None:
        self._in_head = True
        self._heads += 1
        self._header_bytes = 0

    def on_url(self, part: bytes) -> None:
        """Adds a part of the URL; UrlTooLong, and the end of the connection, over URL_BYTES."""
        self._request.url += part  # type: ignore[union-attr]
        if len(self._request.url) > URL_BYTES:  # type: ignore[union-attr]
            self._refuse_connection(UrlTooLong(f"The URL has more than {URL_BYTES} bytes."))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keeps a header under its name in lower case; those behind a body are only counted."""
        request: Request = self._request  # type: ignore[assignment]
        self._header_bytes += len(name) + len(value)
        if not request.method:  # what comes behind a body changes nothing
            name = name.lower()
            if name in request.headers:
                self._twice = name if name in ONCE else self._twice
                value = repeated(name, request.headers[name], value)
            request.headers[name] = value

    def on_headers_complete(self) -> None:
        """Gives the request its id, and refuses it by its head, or lets a client go on that waits for 100 Continue."""
        request: Request = self._request  # type: ignore[assignment]
        request.method = self._parser.get_method().decode()
        request.keep_alive = self._parser.should_keep_alive() and self._parser.get_http_version() != "1.0"
        self._in_head = False
        if self._parser.should_upgrade():
            return
        headers, http = request.headers, self._parser.get_http_version()
        request.id = headers.get(b"x-request-id", b"")[:ID_BYTES] or new_id()
        error = wrong_head(headers, self._twice, http, self._limits.max_body_bytes)
        self._twice = b""
        if error is not None:
            self._refuse(error)
        elif headers.get(b"expect", b"").lower() == b"100-continue" and http != "1.0":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        """Adds a part to the body, which may refuse the request; of a refused one it is dropped."""
        self._in_head = False
        if self._refused:
            return
        try:
            self._request.body.take(part)  # type: ignore[union-attr]
        except ServeError as error:
            self._refuse(error)

    def on_message_complete(self) -> None:
        """Answers the request once it is its turn; after a refusal that was sent, closes the connection."""
        if self._parser.should_upgrade():
            return
        request, self._request = self._request, None
        if request is None:
            return
        if self._closing:
            request.body.release()
            return
        if not self._refused:
            self._waiting.append((request, None))
            self._answer_waiting()
        elif not self._busy and not self._waiting:
            self._close()  # it was answered, and the client has sent all, so that it reads that

    def shutdown(self) -> None:
        """Closes once what has begun is answered."""
        self._ending = True
        if self._request is None and not self._waiting and not self._busy:
            self._close()

    @property
    def waits_since(self) -> float | None:
        """When the client's turn began, None while it is the server's."""
        if self._busy or self._waiting or self._closing:
            return None
        return self._heard if self._request is None else self._began

    def close(self) -> None:
        """Ends it for others to have room."""
        if self._request is None or self._refused:
            self._close()
        else:
            self._refuse_connection(Overloaded())

    def pause_writing(self) -> None:
        """Reads and answers nothing more until the client has read what it was sent."""
        self._blocked = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Answers what waits, and then reads on."""
        self._blocked = False
        self._answer_waiting()

    def _answer_waiting(self) -> None:
        while self._waiting and not self._busy and not self._blocked:
            if self._turn == AT_ONCE:
                self._busy = True
                self._transport.pause_reading()
                self._loop.call_soon(self._next_turn)
                return
            self._turn += 1
            request, refusal = self._waiting.popleft()
            answer = self._app.answer(request) if refusal is None else self._app.refuse(request, refusal)
            if isinstance(answer, Response) and not answer.delay:
                self._send(request, answer)
                continue
            self._busy = True
            self._transport.pause_reading()
            if isinstance(answer, Response):
                self._send_later(request, answer)
            else:
                task = self._loop.create_task(self._answer_later(request, answer))
                self._state.tasks.add(task)
                task.add_done_callback(self._state.tasks.discard)
            return
        self._read_on()

    def _next_turn(self) -> None:
        self._busy = False
        self._turn = 0
        self._answer_waiting()

    async def _answer_later(self, request: Request, answer: Awaitable[Response]) -> None:
        response = await answer
        send = self._send_later if response.delay else self._send_and_go_on
        send(request, response)

    def _send_later(self, request: Request, response: Response) -> None:
        request.body.release()
        self._loop.call_later(response.delay, self._send_and_go_on, request, response)

    def _send_and_go_on(self, request: Request, response: Response) -> None:
        self._busy = False
        self._send(request, response)
        self._answer_waiting()

    def _send(self, request: Request, response: Response) -> None:
        request.body.release()
        if self._closing:
            return
        keep_alive = request.keep_alive and not self._ending
        self._transport.write(wire(response, request.id, request.method, keep_alive))
        if not keep_alive and request is not self._request:
            self._close()

    def _refuse(self, error: ServeError) -> None:
        """Answers before all of the request is there; what still comes of it is read and dropped."""
        request: Request = self._request  # type: ignore[assignment]
        request.body.release()
        if not self._refused:
            self._refused, request.keep_alive = True, False
            self._waiting.append((request, error))
            self._answer_waiting()

    def _decline_upgrade(self, rest: bytes) -> None:
        """Reads the request again as if it offered no other protocol: the parser takes an offer for the body's end."""
        request: Request = self._request  # type: ignore[assignment]
        if request.method == "CONNECT":
            self._refuse_connection(InvalidInput("This server is not an HTTP proxy; it does not support CONNECT."))
            return
        lines = [request.method.encode() + b" " + request.url + b" HTTP/1.1"]
        lines += [name + b": " + value for name, value in request.headers.items() if name != b"upgrade"]
        self._parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join([*lines, b"", rest]))

    def _refuse_connection(self, error: ServeError) -> None:
        if not self._closing:
            if isinstance(error, Overloaded):
                self._app.shed("connection")
            if not self._busy and not self._waiting:  # it would be read as the answer to the first of them
                self._transport.write(wire(error_response(error), new_id(), "", keep_alive=False))
            self._close()

    def _look(self) -> None:
        """Ends a connection whose client is too slow; looks seldom enough to cost nothing."""
        limits, now = self._limits, self._loop.time()
        if self._closing:
            self._transport.abort()  # the client does not read the last that it was sent
            return
        end = now + limits.head_seconds
        if self._request is not None:
            end = self._began + (limits.body_seconds if self._request.method else limits.head_seconds)
        elif not self._busy:
            end = self._heard + limits.idle_seconds
        if now < end:
            self._timer = self._loop.call_later(min(end - now, limits.head_seconds), self._look)
            return
        self._timer = self._loop.call_later(limits.head_seconds, self._look)
        if self._request is None or self._refused:
            self._close()
        else:
            self._refuse_connection(TooSlow("The request did not arrive completely in time; the connection is closed."))

    def _close(self) -> None:
        self._closing = True
        self._forget()
        self._transport.close()

    def _forget(self) -> None:
        for request, _ in self._waiting:
            request.body.release()
        self._waiting.clear()
        if self._request is not None:
            self._request.body.release()
