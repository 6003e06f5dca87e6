"""Frames of HTTP/2 (RFC 9113): their bytes, and the errors by which a peer is told that its own are wrong."""

from enum import IntEnum
from struct import Struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
OF_THE_CONNECTION, OF_A_STREAM = (SETTINGS, PING, GOAWAY), (PRIORITY, RST_STREAM)
OF_A_BEGUN_STREAM = (RST_STREAM, WINDOW_UPDATE)  # but a WINDOW_UPDATE may be of the connection, number 0
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, WITH_PRIORITY = 0x4, 0x8, 0x20
HEAD = Struct(">BHBBL")  # of a frame: 24 bits of length, its kind, its flags, its stream
HEAD_SIZE = HEAD.size
MAX_WINDOW = 2**31 - 1
WINDOW = 65_535  # that each side has of a connection, and of a stream where the settings say nothing else
FRAME_BYTES = 16_384  # of content that any peer takes in one frame

_LONG = Struct(">L")
_SETTING = Struct(">HL")


class Setting(IntEnum):
    """What a peer's SETTINGS may say."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class Code(IntEnum):
    """Why a stream or a connection ends (RFC 9113, 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class BrokenConnection(Exception):
    """The peer breaks the protocol, or asks too much, so that the connection ends; the sentence goes to it."""

    def __init__(self, code: Code, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class BrokenStream(Exception):
    """One stream breaks the protocol; the others go on."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    """One frame; `content` has at most what its receiver takes in one."""
    size = len(content)
    return HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream) + content


def data_frames(stream: int, content: bytes) -> bytes:
    """DATA that does not end the stream, in as many frames as are needed."""
    if len(content) <= FRAME_BYTES:
        return frame(DATA, 0, stream, content)
    parts = range(0, len(content), FRAME_BYTES)
    return b"".join(frame(DATA, 0, stream, content[at : at + FRAME_BYTES]) for at in parts)


def reset(stream: int, code: Code) -> bytes:
    """Ends one stream."""
    return frame(RST_STREAM, 0, stream, _LONG.pack(code))


def window_update(stream: int, size: int) -> bytes:
    """Lets the peer send so many bytes more, on a stream, or on all with 0."""
    return frame(WINDOW_UPDATE, 0, stream, _LONG.pack(size))


def go_away(last: int, code: Code = Code.NO_ERROR, sentence: str = "") -> bytes:
    """Ends the connection once the streams up to `last` are answered."""
    return frame(GOAWAY, 0, 0, _LONG.pack(last) + _LONG.pack(code) + sentence.encode())


def settings(values: dict[Setting, int]) -> bytes:
    """What the peer is to keep to."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(name, value) for name, value in values.items()))


def read_settings(content: bytes) -> list[tuple[int, int]]:
    """The values of a SETTINGS frame, in order; BrokenConnection where one is outside its range."""
    if len(content) % _SETTING.size:
        raise BrokenConnection(Code.FRAME_SIZE_ERROR, "SETTINGS has half a setting.")
    values = list(_SETTING.iter_unpack(content))
    for name, value in values:
        if name == Setting.ENABLE_PUSH and value > 1:
            raise BrokenConnection(Code.PROTOCOL_ERROR, "ENABLE_PUSH is neither 0 nor 1.")
        if name == Setting.INITIAL_WINDOW_SIZE and value > MAX_WINDOW:
            raise BrokenConnection(Code.FLOW_CONTROL_ERROR, f"INITIAL_WINDOW_SIZE is above {MAX_WINDOW}.")
        if name == Setting.MAX_FRAME_SIZE and not FRAME_BYTES <= value < 2**24:
            raise BrokenConnection(Code.PROTOCOL_ERROR, f"MAX_FRAME_SIZE is not from {FRAME_BYTES} to {2**24 - 1}.")
    return values


def read_long(content: bytes) -> int:
    """The number of 31 bits that a RST_STREAM or WINDOW_UPDATE has; BrokenConnection where it has another size."""
    if len(content) != _LONG.size:
        raise BrokenConnection(Code.FRAME_SIZE_ERROR, f"A frame has {len(content)} bytes where it should have 4.")
    return int(_LONG.unpack(content)[0]) & MAX_WINDOW


def without_padding(flags: int, content: bytes) -> bytes:
    """The content of DATA or HEADERS without what only hides its length; BrokenConnection where that is all of it."""
    if not flags & PADDED:
        return content
    if not content or content[0] >= len(content):
        raise BrokenConnection(Code.PROTOCOL_ERROR, "A frame's padding is longer than the frame.")
    return content[1 : len(content) - content[0]]


def wrong_priority(stream: int, content: bytes) -> Code | None:
    """What is wrong with a priority, which RFC 9113 abolishes but for this; None if nothing."""
    if len(content) != 5:
        return Code.FRAME_SIZE_ERROR
    return Code.PROTOCOL_ERROR if read_long(content[:4]) == stream else None
