"""Header fields as HPACK (RFC 7541) packs them, and which of them a gRPC request may have.

What is sent is written without a table, so that the bytes of an answer's head can be kept and sent again: to put them
together anew takes longer than to score a row.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from hpack.hpack import encode_integer

from model_server.grpc.frames import BrokenStream, Code
from model_server.overload.constants import LENGTH_DIGITS

Fields = Iterable[tuple[bytes, bytes]]

_INDEXED = {(b":status", b"200"): b"\x88", (b"content-type", b"application/grpc"): b"\x0f\x10\x10application/grpc"}
_PSEUDO = {b":method", b":scheme", b":path", b":authority"}
_NEEDED = {b":method", b":scheme", b":path"}
_OF_A_CONNECTION = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}


class Head(NamedTuple):
    """A request's head: the path of its method, and its metadata; of fields that are repeated, the last."""

    path: bytes
    fields: dict[bytes, bytes]


def request_head(fields: list[tuple[bytes, bytes]]) -> Head:
    """The head of a request; BrokenStream where HTTP/2 does not allow it."""
    found = dict(fields)
    allowed = _may_begin(tuple([name for name, _ in fields])) and found.get(b"te", b"trailers") == b"trailers"
    if not (allowed and found[b":path"]):
        raise BrokenStream(Code.PROTOCOL_ERROR)
    return Head(found[b":path"], found)


def check_trailers(fields: list[tuple[bytes, bytes]], ends: bool) -> None:
    """BrokenStream where what comes behind a message does not end the request, or has a field that its head has."""
    if not ends or any(name.startswith(b":") or name != name.lower() for name, _ in fields):
        raise BrokenStream(Code.PROTOCOL_ERROR)


def check_length(fields: dict[bytes, bytes], size: int) -> None:
    """BrokenStream where a request's body has not the length that its head says, if it says one."""
    length = fields.get(b"content-length")
    if length is not None and not (len(length) <= LENGTH_DIGITS and length.isdigit() and int(length) == size):
        raise BrokenStream(Code.PROTOCOL_ERROR)


def refusal(fields: dict[bytes, bytes]) -> bytes:
    """The head of the answer to a request that is no call of gRPC; empty if it is one."""
    if fields[b":method"] != b"POST":
        return write([(b":status", b"405"), (b"allow", b"POST")])
    if not fields.get(b"content-type", b"").startswith(b"application/grpc"):
        return write([(b":status", b"415")])
    return b""


@lru_cache(maxsize=64)  # a client sends the same names again and again
def _may_begin(names: tuple[bytes, ...]) -> bool:
    pseudo = [name for name in names if name.startswith(b":")]
    if tuple(pseudo) != names[: len(pseudo)] or len(set(pseudo)) != len(pseudo):
        return False
    if not _NEEDED <= set(pseudo) <= _PSEUDO:
        return False
    return all(name == name.lower() for name in names) and not _OF_A_CONNECTION & set(names)


def write(fields: Fields) -> bytes:
    """The fields as a block that refers to none before it."""
    return b"".join([_INDEXED.get(field) or b"\0" + _text(field[0]) + _text(field[1]) for field in fields])


def _text(value: bytes) -> bytes:
    return bytes(encode_integer(len(value), 7)) + value
