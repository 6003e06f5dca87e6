"""Reads heads that are packed by HPACK (RFC 7541).

hpack's own decoder takes 30 us for a call behind Envoy, as long as all else of it. This one takes its static table and
its Huffman code, remembers texts that come again and again, such as paths, and needs 6 us.
"""

from collections import deque
from functools import lru_cache

from hpack.exceptions import HPACKDecodingError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from model_server.grpc.frames import BrokenConnection, Code
from model_server.overload.constants import HEAD_BYTES

Field = tuple[bytes, bytes]

TABLE_BYTES = 4096  # of the fields that a peer may refer to, as by default
_STATIC: tuple[Field, ...] = ((b"", b""), *HeaderTable.STATIC_TABLE)
_FIRST = len(_STATIC)  # number of the newest field that is not in it
_OVERHEAD = 32  # bytes that a field counts beside its own
_REMEMBERED = 128  # bytes of a text, at most
_NUMBER_BYTES = 5  # of a number, at most: more than any limit needs


class HeadDecoder:
    """Reads the heads of one connection, in order: each may refer to fields of those before it."""

    def __init__(self) -> None:
        self._table: deque[Field] = deque()
        self._bytes = 0
        self._limit = TABLE_BYTES

    def read(self, block: bytes) -> list[Field]:
        """The fields of a head; BrokenConnection where it cannot be read, as those after it could not either."""
        try:
            return self._read(block)
        except (IndexError, HPACKDecodingError):
            raise BrokenConnection(Code.COMPRESSION_ERROR, "A head is not valid HPACK.") from None

    def _read(self, block: bytes) -> list[Field]:
        fields: list[Field] = []
        at, size, end = 0, 0, len(block)
        while at < end:
            byte = block[at]
            if byte & 0x80:
                number, at = _number(block, at, 0x7F)
                field = self._field(number)
            elif byte & 0xE0 == 0x20:
                number, at = _number(block, at, 0x1F)
                self._resize(number, allowed=not fields)
                continue
            else:
                indexed = byte & 0x40
                number, at = _number(block, at, 0x3F if indexed else 0x0F)
                if number:
                    name = self._field(number)[0]
                else:
                    name, at = _text(block, at)
                value, at = _text(block, at)
                field = name, value
                if indexed:
                    self._add(field)
            fields.append(field)
            size += len(field[0]) + len(field[1]) + _OVERHEAD
            if size > HEAD_BYTES:
                raise BrokenConnection(Code.ENHANCE_YOUR_CALM, f"The request's head has more than {HEAD_BYTES} bytes.")
        return fields

    def _field(self, number: int) -> Field:
        if number >= _FIRST:
            return self._table[number - _FIRST]
        if not number:
            raise IndexError(number)
        return _STATIC[number]

    def _add(self, field: Field) -> None:
        self._table.appendleft(field)
        self._bytes += len(field[0]) + len(field[1]) + _OVERHEAD
        self._shrink()

    def _resize(self, limit: int, allowed: bool) -> None:
        if limit > TABLE_BYTES or not allowed:
            raise IndexError(limit)
        self._limit = limit
        self._shrink()

    def _shrink(self) -> None:
        while self._bytes > self._limit:
            name, value = self._table.pop()
            self._bytes -= len(name) + len(value) + _OVERHEAD


def _number(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """A number whose first byte has the bits of `mask` for it, and where it ends."""
    number = block[at] & mask
    at += 1
    if number < mask:
        return number, at
    for shift in range(0, 7 * _NUMBER_BYTES, 7):
        byte = block[at]
        at += 1
        number += (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise IndexError(at)


def _text(block: bytes, at: int) -> tuple[bytes, int]:
    """A name or a value, and where it ends."""
    size, start = _number(block, at, 0x7F)
    end = start + size
    text = block[start:end]
    if len(text) < size:
        raise IndexError(end)
    if not block[at] & 0x80:
        return text, end
    return (_remembered(text) if size <= _REMEMBERED else decode_huffman(text)), end


_remembered = lru_cache(maxsize=512)(decode_huffman)
