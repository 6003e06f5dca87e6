"""Messages of gRPC within the data of HTTP/2, and the trailers that say how a call ended.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

import re
from functools import lru_cache
from struct import Struct
from typing import NamedTuple
from urllib.parse import quote

from model_server.codecs.compression import unpacked
from model_server.errors import InvalidInput, TooLarge, Unimplemented
from model_server.grpc import headers

PREFIX = Struct(">BL")  # of a message: whether it is compressed, and its size
CODINGS = (b"gzip", b"deflate")
STATUSES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
ANSWER_HEAD = headers.write([(b":status", b"200"), (b"content-type", b"application/grpc")])

_NUMBERS = {name: b"%d" % number for number, name in enumerate(STATUSES)}
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


class Reply(NamedTuple):
    """How a call ends: its message if it succeeds, its trailers as a block; `delay` is how long that waits, s."""

    message: bytes | None
    trailers: bytes
    delay: float = 0.0


def succeeded(message: bytes, version: str = "", request_id: bytes = b"") -> Reply:
    """The reply with a message, by the version that gave it, if one did, and with the caller's id, if it sent one."""
    trailers = _success(version)
    return Reply(message, trailers + headers.write([(b"x-request-id", request_id)]) if request_id else trailers)


def ended(status: str, sentence: str, *fields: tuple[bytes, bytes], delay: float = 0.0) -> Reply:
    """The reply without a message: the name of a status, and its sentence."""
    told = ((b"grpc-message", quote(sentence, safe=_PRINTABLE).encode()),) if sentence else ()
    return Reply(None, headers.write([(b"grpc-status", _NUMBERS[status]), *told, *fields]), delay)


@lru_cache
def _success(version: str) -> bytes:
    answered = [(b"x-loan-version", version.encode())] if version else []
    # An empty message as grpc's own server sends it.
    return headers.write([(b"grpc-status", _NUMBERS["OK"]), (b"grpc-message", b""), *answered])


def framed(message: bytes) -> bytes:
    """A message as it is sent."""
    return PREFIX.pack(0, len(message)) + message


def announced(data: bytes) -> int:
    """How many bytes the message has that begins with this data, 0 if that is not known yet."""
    return int(PREFIX.unpack_from(data)[1]) if len(data) >= PREFIX.size else 0


def only_message(data: bytes, coding: bytes, limit: int) -> bytes:
    """The one message of a call that has ended; InvalidInput where there is none, or more than one.

    TooLarge, Unimplemented and InvalidInput where it is packed and cannot be unpacked.
    """
    if not data:
        raise InvalidInput("The call ended without a message.")
    size = announced(data)
    if len(data) != PREFIX.size + size:
        cut = len(data) < PREFIX.size + size
        raise InvalidInput("The message is cut off." if cut else "The call has more than one message; send one.")
    return plain(data[0], data[PREFIX.size :], coding, limit)


def plain(flag: int, message: bytes, coding: bytes, limit: int) -> bytes:
    """A message unpacked, where its flag says that it is packed."""
    if not flag:
        return message
    if flag != 1 or coding in (b"", b"identity"):
        raise InvalidInput("The message says that it is compressed, but the call has no grpc-encoding.")
    if coding not in CODINGS:
        raise Unimplemented(f"grpc-encoding is '{coding.decode('latin-1')}'; this server has gzip and deflate.")
    if len(message) > limit:
        raise TooLarge(f"The message has more than {limit} bytes, the most that this method accepts.")
    return unpacked(message, coding.decode(), limit)


def timeout(value: bytes | None) -> float | None:
    """The seconds of a grpc-timeout, None where there is none that can be read."""
    found = _TIMEOUT.fullmatch(value) if value else None
    return int(found[1]) * _UNITS[found[2]] if found else None
