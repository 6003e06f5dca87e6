"""What is sent on an HTTP/2 connection, within the windows that its peer gives: of each stream, and of all together."""

from collections.abc import Callable

from model_server.grpc import frames
from model_server.grpc.frames import BrokenConnection, BrokenStream, Code, Setting
from model_server.grpc.stream import Stream

_END = frames.END_HEADERS | frames.END_STREAM


class Sender:
    """Writes what the windows have room for, and keeps the rest; tells `done` of a stream that is sent to its end."""

    def __init__(self, done: Callable[[Stream], None]) -> None:
        self._done = done
        self.write: Callable[[bytes], None] = _nowhere
        self._window = frames.WINDOW
        self.stream_window = frames.WINDOW  # of a stream that begins now
        self.data_frames = 0  # that were sent, to each of which the peer may answer
        self._kept: dict[int, Stream] = {}  # streams with something that there was no room for

    def send(self, stream: Stream, head: bytes, content: bytes, trailers: bytes | None) -> None:
        """Sends a head, if any, and content; then trailers, if any, which end the stream."""
        size = len(content)
        before = frames.frame(frames.HEADERS, frames.END_HEADERS, stream.id, head) if head else b""
        if size <= self._window and size <= stream.window:
            self._window -= size
            stream.window -= size
            self.data_frames += 1 + size // frames.FRAME_BYTES
            data = frames.data_frames(stream.id, content)
            if trailers is None:
                self.write(before + data)
                return
            self.write(before + data + frames.frame(frames.HEADERS, _END, stream.id, trailers))
            self._done(stream)
            return
        if before:
            self.write(before)
        stream.rest, stream.trailers = memoryview(content), trailers
        self._kept[stream.id] = stream
        self._go_on(stream)

    def end(self, stream: Stream, trailers: bytes) -> None:
        """Ends a stream by its last fields."""
        self.write(frames.frame(frames.HEADERS, _END, stream.id, trailers))
        self._done(stream)

    def credit(self, stream: Stream, size: int) -> None:
        """Lets the peer of a call that stays open send as many bytes more."""
        if not stream.complete:
            self.write(frames.window_update(stream.id, size))

    def forget(self, stream: Stream) -> None:
        """Sends nothing more of it."""
        self._kept.pop(stream.id, None)

    def more(self, number: int, stream: Stream | None, size: int) -> None:
        """Takes a WINDOW_UPDATE, of the connection if `number` is 0; `stream` is None for one that has ended."""
        if size == 0:
            raise BrokenStream(Code.PROTOCOL_ERROR) if number else _zero()
        if number == 0:
            self._window += size
            if self._window > frames.MAX_WINDOW:
                raise BrokenConnection(Code.FLOW_CONTROL_ERROR, f"The window is above {frames.MAX_WINDOW}.")
            self._go_on_all()
        elif stream is not None:
            stream.window += size
            if stream.window > frames.MAX_WINDOW:
                raise BrokenStream(Code.FLOW_CONTROL_ERROR)
            self._go_on(stream)

    def settings(self, content: bytes, streams: list[Stream]) -> None:
        """Takes the peer's SETTINGS, and acknowledges them; a new window counts for streams that are open, too."""
        for name, value in frames.read_settings(content):
            if name == Setting.INITIAL_WINDOW_SIZE:
                for stream in streams:
                    stream.window += value - self.stream_window
                    if stream.window > frames.MAX_WINDOW:
                        raise BrokenConnection(Code.FLOW_CONTROL_ERROR, f"A window is above {frames.MAX_WINDOW}.")
                self.stream_window = value
        self.write(frames.frame(frames.SETTINGS, frames.ACK, 0))
        self._go_on_all()

    def _go_on_all(self) -> None:
        for stream in list(self._kept.values()):
            if self._window <= 0:
                return
            self._go_on(stream)

    def _go_on(self, stream: Stream) -> None:
        rest = stream.rest
        while rest and (size := min(self._window, stream.window, frames.FRAME_BYTES, len(rest))) > 0:
            self.write(frames.frame(frames.DATA, 0, stream.id, bytes(rest[:size])))
            self._window -= size
            stream.window -= size
            self.data_frames += 1
            stream.rest = rest = rest[size:]
        if rest or self._kept.pop(stream.id, None) is None:
            return
        if stream.sent is not None:
            stream.sent.set_result(None)
            stream.sent = None
        if stream.trailers is not None:
            self.end(stream, stream.trailers)


def _nowhere(_: bytes) -> None:
    raise AssertionError


def _zero() -> BrokenConnection:
    return BrokenConnection(Code.PROTOCOL_ERROR, "A WINDOW_UPDATE has no bytes.")
