"""One connection of the gRPC port, in HTTP/2.

grpc's own server gives each call a thread, and the interpreter's lock goes to and fro between it and grpc's core: 250
us a call. Here a call is answered on the event loop, as soon as it is read, as over REST.
"""

import asyncio

from model_server.errors import Overloaded
from model_server.grpc import frames, headers
from model_server.grpc.app import GrpcApp
from model_server.grpc.calls import Calls
from model_server.grpc.frames import BrokenConnection, BrokenStream, Code, Setting
from model_server.grpc.head_decoder import HeadDecoder
from model_server.grpc.reader import FrameReader
from model_server.grpc.sender import Sender
from model_server.grpc.stream import Stream
from model_server.overload.connections import ConnectionLimits
from model_server.overload.constants import (
    CONTROL_FRAMES,
    CONTROL_FRAMES_A_SECOND,
    CONTROL_FRAMES_AN_ANSWER,
    GOODBYE_SECONDS,
    HEAD_BYTES,
    OPEN_CALLS,
    READ_BYTES,
)

_HTTP_1 = (
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\n\r\n"
    b"This port takes gRPC, which is HTTP/2; REST has the port of LOAN_HTTP_PORT.\n"
)
_GOODBYE, _THERE = b"goodbye.", b"there?.."  # what PINGs say, and their answers


class GrpcProtocol(asyncio.Protocol):
    """Takes frames off one connection; `connections` are all that the server has."""

    def __init__(self, app: GrpcApp, limits: ConnectionLimits, connections: "set[GrpcProtocol]") -> None:
        self._app = app
        self._limits = limits
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader(self._take)
        self._heads = HeadDecoder()
        self._sender = Sender(self._sent)
        self._calls = Calls(app, limits, self._sender)
        self._unacknowledged = 0  # bytes of the peer's window that it has used
        self._read_bytes = 0  # since others had their turn to read
        self._unsent: dict[int, int] = {}  # bytes of each stream at the last look
        self._spare = float(CONTROL_FRAMES)  # that are no part of a request and may come now
        self._counted, self._answered = self._loop.time(), 0  # when that was so, and after how many frames of data
        self._asked = self._ending = self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Says what this side takes, and refuses the connection where there is no room for it."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._sender.write = self._transport.write
        self._heard = self._whole = self._loop.time()
        self._timer = self._loop.call_later(self._limits.head_seconds, self._look)
        ours = {
            Setting.MAX_CONCURRENT_STREAMS: OPEN_CALLS,
            # A message has limits of its own, so that its sender need not wait for room.
            Setting.INITIAL_WINDOW_SIZE: min(self._limits.max_body_bytes + READ_BYTES, frames.MAX_WINDOW),
            Setting.MAX_HEADER_LIST_SIZE: HEAD_BYTES,
        }
        self._transport.write(frames.settings(ours) + frames.window_update(0, frames.MAX_WINDOW - frames.WINDOW))
        try:
            self._limits.make_room(self._connections)
            self._connections.add(self)
        except Overloaded as error:
            self._app.shed("connection")
            self._break(BrokenConnection(Code.ENHANCE_YOUR_CALM, str(error)))

    def connection_lost(self, _: Exception | None) -> None:
        """Ends all calls; an answer still awaited is not sent."""
        self._connections.discard(self)
        self._timer.cancel()
        self._closing = True
        self._calls.drop_all()

    def data_received(self, data: bytes) -> None:
        """Reads frames, and answers the calls that are complete with them."""
        self._heard = self._loop.time()
        self._asked = False
        self._read_bytes += len(data)
        try:
            self._reader.feed(data)
        except BrokenConnection as error:
            if not self._reader.began and b" HTTP/1." in data:
                self._transport.write(_HTTP_1)
                self._transport.close()
            self._break(error)
            return
        if not self._reader.within:
            self._whole = self._heard
        self._calls.answer_waiting()
        if self._read_bytes > READ_BYTES and not self._closing:
            self._read_bytes = 0
            self._transport.pause_reading()
            self._limits.in_turn(self._read_on)

    def pause_writing(self) -> None:
        """Reads and answers nothing more until the peer has read what it was sent."""
        self._calls.blocked = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Answers what waits, and reads on."""
        self._calls.blocked = False
        self._calls.answer_waiting()
        self._read_on()

    @property
    def waits_since(self) -> float | None:
        """When the peer's turn began, None while it is the server's."""
        began = [stream.began for stream in self._calls.streams() if stream.waits_for_peer]
        if len(began) < len(self._calls) or self._closing:
            return None
        return min(began, default=self._heard)

    def close(self) -> None:
        """Ends it for others to have room."""
        self._break(BrokenConnection(Code.NO_ERROR, "The server has no room for connections that are not used."))

    def shutdown(self) -> None:
        """Closes once what has begun is answered: the peer is to ask another server, and says when it knows that."""
        self._ending = True
        self._transport.write(frames.go_away(frames.MAX_WINDOW) + frames.frame(frames.PING, 0, 0, _GOODBYE))
        self._loop.call_later(GOODBYE_SECONDS, self._say_goodbye)

    def end_staying(self) -> None:
        """Ends the calls that stay open."""
        self._calls.end_staying()

    def abort(self) -> None:
        """Ends it at once."""
        self._transport.abort()

    def _say_goodbye(self) -> None:
        """From now on, no call is begun; those that the peer has begun meanwhile, it can give to another server."""
        if not self._calls.refusing and not self._closing:
            self._calls.refusing = True
            self._transport.write(frames.go_away(self._calls.taken))
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        """The peer closes, as it is told to; what closes first may lose what the other has not read yet."""
        if self._calls.refusing and not len(self._calls):
            self._loop.call_later(GOODBYE_SECONDS, self._transport.close)

    def _sent(self, stream: Stream) -> None:
        self._calls.sent(stream)
        self._end_if_idle()

    def _read_on(self) -> None:
        if not self._calls.blocked and not self._closing:
            self._transport.resume_reading()

    def _take(self, kind: int, flags: int, number: int, content: bytes) -> None:
        if self._closing:
            return
        try:
            if kind == frames.HEADERS:
                self._headers(flags, number, content)
            elif kind == frames.DATA:
                self._data(flags, number, content)
            else:
                self._other(kind, flags, number, content)
        except BrokenStream as error:
            self._transport.write(frames.reset(number, error.code))
            self._calls.drop(number)

    def _headers(self, flags: int, number: int, content: bytes) -> None:
        content = frames.without_padding(flags, content)
        wrong = None
        if flags & frames.WITH_PRIORITY:
            wrong, content = frames.wrong_priority(number, content[:5]), content[5:]
        fields = self._heads.read(content)  # also of one that is refused, as those after it may refer to it
        stream = self._calls.get(number)
        if wrong is not None:
            raise BrokenStream(wrong)
        if not number % 2:
            raise BrokenConnection(Code.PROTOCOL_ERROR, "A stream that a client begins has an odd number.")
        ends = bool(flags & frames.END_STREAM)
        if stream is None:
            if number <= self._calls.begun:
                raise BrokenConnection(Code.STREAM_CLOSED, "A head is for a call that has ended.")
            self._calls.begin(number, fields, ends, self._heard)
        elif stream.complete:
            raise BrokenConnection(Code.STREAM_CLOSED, "A head is for a call whose request has ended.")
        else:
            headers.check_trailers(fields, ends)
            self._calls.complete(stream)

    def _data(self, flags: int, number: int, content: bytes) -> None:
        if number == 0 or number > self._calls.begun:
            raise BrokenConnection(Code.PROTOCOL_ERROR, "Data is for no call.")
        self._unacknowledged += len(content)
        if self._unacknowledged > frames.MAX_WINDOW // 2:
            self._transport.write(frames.window_update(0, self._unacknowledged))
            self._unacknowledged = 0
        content = frames.without_padding(flags, content)
        stream = self._calls.get(number)
        if stream is None or not (content or flags & frames.END_STREAM):
            self._count_control()
        if stream is None or stream.complete:
            raise BrokenStream(Code.STREAM_CLOSED)
        self._calls.take(stream, content)
        if flags & frames.END_STREAM:
            self._calls.complete(stream)

    def _count_control(self) -> None:
        """Counts a frame that is no part of a request: some answer what was sent, and many more only cost time."""
        answers = (self._sender.data_frames - self._answered) * CONTROL_FRAMES_AN_ANSWER
        self._spare += answers + (self._heard - self._counted) * CONTROL_FRAMES_A_SECOND
        self._spare = min(self._spare, CONTROL_FRAMES) - 1
        self._answered, self._counted = self._sender.data_frames, self._heard
        if self._spare < 0:
            raise BrokenConnection(
                Code.ENHANCE_YOUR_CALM,
                f"More than {CONTROL_FRAMES_A_SECOND} frames a second are no part of a request, and answer nothing.",
            )

    def _other(self, kind: int, flags: int, number: int, content: bytes) -> None:
        self._count_control()
        if kind in frames.OF_THE_CONNECTION and number:
            raise BrokenConnection(Code.PROTOCOL_ERROR, "A frame of the connection is for a stream.")
        unknown = kind in frames.OF_A_BEGUN_STREAM and number > self._calls.begun
        if unknown or (kind in frames.OF_A_STREAM and number == 0):
            raise BrokenConnection(Code.PROTOCOL_ERROR, "A frame is for a stream that was not begun.")
        if kind == frames.SETTINGS:
            self._settings(flags, content)
        elif kind == frames.PING:
            self._ping(flags, content)
        elif kind == frames.WINDOW_UPDATE:
            self._sender.more(number, self._calls.get(number), frames.read_long(content))
        elif kind == frames.RST_STREAM:
            frames.read_long(content)
            self._calls.drop(number)
            self._end_if_idle()
        elif kind == frames.PRIORITY:
            wrong = frames.wrong_priority(number, content)
            if wrong is not None:
                raise BrokenStream(wrong)
        elif kind == frames.PUSH_PROMISE:
            raise BrokenConnection(Code.PROTOCOL_ERROR, "A client cannot push.")

    def _settings(self, flags: int, content: bytes) -> None:
        if not flags & frames.ACK:
            self._sender.settings(content, self._calls.streams())
        elif content:
            raise BrokenConnection(Code.FRAME_SIZE_ERROR, "An acknowledgement of SETTINGS has a content.")

    def _ping(self, flags: int, content: bytes) -> None:
        if len(content) != len(_GOODBYE):
            raise BrokenConnection(Code.FRAME_SIZE_ERROR, f"A PING has {len(content)} bytes in the place of 8.")
        if not flags & frames.ACK:
            self._transport.write(frames.frame(frames.PING, frames.ACK, 0, content))
        elif content == _GOODBYE and self._ending:
            self._say_goodbye()

    def _break(self, error: BrokenConnection) -> None:
        if not self._closing:
            self._transport.write(frames.go_away(self._calls.taken, error.code, str(error)))
            self._closing = True
            self._calls.drop_all()
            self._transport.close()

    def _look(self) -> None:
        """Ends a connection or calls whose peer is too slow or gone; looks seldom enough to cost nothing."""
        limits, now = self._limits, self._loop.time()
        self._timer = self._loop.call_later(limits.head_seconds, self._look)
        if self._closing:
            self._transport.abort()  # the peer does not read the last that it was sent
        elif not self._reader.began or (self._reader.within and now - self._whole > limits.body_seconds):
            self._break(BrokenConnection(Code.ENHANCE_YOUR_CALM, "The frame did not arrive completely in time."))
        elif now - self._heard > limits.idle_seconds + limits.head_seconds and self._asked:
            self._transport.abort()
        elif now - self._heard > limits.idle_seconds and not self._asked:
            self._asked = True
            self._transport.write(frames.frame(frames.PING, 0, 0, _THERE))
        else:
            self._look_at_calls(now)

    def _look_at_calls(self, now: float) -> None:
        before, self._unsent = self._unsent, {}
        for stream in self._calls.streams():
            left = len(stream.rest)
            if left:
                self._unsent[stream.id] = left
            seconds = self._limits.body_seconds if stream.call.body.size else self._limits.head_seconds
            silent = stream.waits_for_peer and now - stream.began >= seconds
            if silent or (left and before.get(stream.id) == left):
                self._calls.cancel(stream)
