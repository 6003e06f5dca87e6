"""Thrift's compact protocol, in which Parquet has its headers and its footer: only to write, and only what is needed.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from typing import Any

TRUE, I32, I64, BINARY, LIST, STRUCT = 1, 5, 6, 8, 9, 12
_SHORT = 15  # elements of a list, from which on their number stands beside the type


def encode(*fields: tuple[int, int, Any]) -> bytes:
    """A struct of fields, each its id, its type and its value, in ascending order; None is left out.

    A list's value is the type and the values of its elements; a struct's is what this function gave.
    """
    content, last = bytearray(), 0
    for number, kind, value in fields:
        if value is not None:
            content.append((number - last) << 4 | kind)
            content += _value(kind, value)
            last = number
    content.append(0)
    return bytes(content)


def varint(number: int) -> bytes:
    """A number from 0, seven bits in a byte, the lowest first."""
    content = bytearray()
    while number > 127:
        content.append(number & 127 | 128)
        number >>= 7
    content.append(number)
    return bytes(content)


def _value(kind: int, value: Any) -> bytes:
    if kind in (I32, I64):
        return varint(value << 1 if value >= 0 else (-value << 1) - 1)
    if kind == BINARY:
        return varint(len(value)) + bytes(value)
    if kind == LIST:
        of, items = value
        head = bytes([len(items) << 4 | of]) if len(items) < _SHORT else bytes([240 | of]) + varint(len(items))
        return head + b"".join(_value(of, item) for item in items)
    return bytes(value)
