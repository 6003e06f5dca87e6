"""What a peer sends on an HTTP/2 connection, as whole frames; those of a head that came in parts as one."""

from collections.abc import Callable

from model_server.grpc import frames
from model_server.grpc.frames import BrokenConnection, Code
from model_server.overload.constants import HEAD_BYTES

# Takes a frame's kind, flags, stream and content.
Take = Callable[[int, int, int, bytes], None]


class FrameReader:
    """Gives each frame to `take`; `began` once the peer has said that it speaks HTTP/2."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._rest = b""  # of what was read, which is no whole frame yet
        self._head: tuple[int, int, bytes] | None = None  # of which more comes: its stream, its flags, what is there
        self.began = False

    @property
    def within(self) -> bool:
        """Whether a frame or a head has begun and not ended."""
        return bool(self._rest) or self._head is not None

    def feed(self, data: bytes) -> None:
        """Reads what came; BrokenConnection where that is no HTTP/2."""
        if self._rest:
            data = self._rest + data
        at, size = 0 if self.began else self._preface(data), len(data)
        while self.began and size - at >= frames.HEAD_SIZE:
            high, low, kind, flags, stream = frames.HEAD.unpack_from(data, at)
            length = high << 16 | low
            if length > frames.FRAME_BYTES:
                raise BrokenConnection(Code.FRAME_SIZE_ERROR, f"A frame has more than {frames.FRAME_BYTES} bytes.")
            start = at + frames.HEAD_SIZE
            if start + length > size:
                break
            at = start + length
            self._frame(kind, flags, stream & frames.MAX_WINDOW, data[start:at])
        self._rest = data[at:]

    def _preface(self, data: bytes) -> int:
        """Where the frames begin; 0 while that has not come."""
        if data[: len(frames.PREFACE)] != frames.PREFACE[: len(data)]:
            raise BrokenConnection(Code.PROTOCOL_ERROR, "This port takes gRPC, which is HTTP/2.")
        self.began = len(data) >= len(frames.PREFACE)
        return len(frames.PREFACE) if self.began else 0

    def _frame(self, kind: int, flags: int, stream: int, content: bytes) -> None:
        if self._head is not None:
            self._continue(kind, flags, stream, content)
        elif kind == frames.CONTINUATION:
            raise BrokenConnection(Code.PROTOCOL_ERROR, "A head is continued that was not begun.")
        elif kind == frames.HEADERS and not flags & frames.END_HEADERS:
            self._head = stream, flags & ~frames.PADDED, frames.without_padding(flags, content)
        else:
            self._take(kind, flags, stream, content)

    def _continue(self, kind: int, flags: int, stream: int, content: bytes) -> None:
        begun, head_flags, head = self._head  # type: ignore[misc]
        if kind != frames.CONTINUATION or stream != begun:
            raise BrokenConnection(Code.PROTOCOL_ERROR, "A head is interrupted by another frame.")
        head += content
        ends = flags & frames.END_HEADERS
        if len(head) > HEAD_BYTES or not (content or ends):
            raise BrokenConnection(
                Code.ENHANCE_YOUR_CALM, f"A head has more than {HEAD_BYTES} bytes, or a part without any."
            )
        self._head = None if ends else (begun, head_flags, head)
        if ends:
            self._take(frames.HEADERS, head_flags | frames.END_HEADERS, stream, head)
