"""Parquet, as far as the record needs it: one row group, a page for each column, plain values, zstd.

A server writes it, and PyArrow is 170 MB: more than all else that a server's image has. What is written here, PyArrow,
DuckDB and Spark read. The format: https://parquet.apache.org/docs/file-format/
"""

import struct
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tabular_model.decisions import thrift

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Kind = Literal["text", "number", "integer", "small", "boolean", "time"]
Levels = NDArray[np.int8]

_MAGIC = b"PAR1"
_REQUIRED, _OPTIONAL, _REPEATED = range(3)
_PHYSICAL: dict[str, int] = {"boolean": 0, "small": 1, "integer": 2, "time": 2, "number": 5, "text": 6}
_PLAIN, _RLE, _ZSTD = 0, 3, 6
_UTF8, _LIST, _MICROSECONDS = 0, 3, 10  # what older readers know of text, lists and times


class Field(NamedTuple):
    """A column: of single values, of lists of them, or, with `of`, a struct of columns.

    `required` means that no row lacks it; a struct, a list and what is in a struct may be missing.
    """

    name: str
    kind: Kind = "text"
    required: bool = False
    is_list: bool = False
    of: tuple["Field", ...] = ()


class Values(NamedTuple):
    """Some rows of a column of single values, wherever that stands.

    `plain` are those that are there, as `texts`, `numbers` or `flags` give them. `levels` say for each row how much of
    its path is there, None where nothing may be missing; `repeats` are 0 where a list begins, for lists alone.
    """

    plain: bytes
    levels: Levels | None = None
    repeats: Levels | None = None


def texts(values: Sequence[bytes]) -> bytes:
    """Text in UTF-8 as plain values."""
    return b"".join([struct.pack("<I", len(value)) + value for value in values])


def numbers(values: NDArray[Any]) -> bytes:
    """Float64 for a number, int64 for an integer or a time (microseconds since 1970), int32 for a small one."""
    return np.ascontiguousarray(values).tobytes()


def flags(values: NDArray[np.bool_]) -> bytes:
    """A byte for each truth; they are packed when all are there."""
    return values.astype(np.uint8).tobytes()


def encode(
    fields: Sequence[Field], chunks: Sequence[Sequence[Values]], rows: int, metadata: Mapping[str, bytes] = {}
) -> bytes:
    """A file of all chunks, each with `Values` for every column of single values in the order of `fields`."""
    content = bytearray(_MAGIC)
    columns, size = [], 0
    for leaf, values in zip(_leaves(fields), zip(*chunks, strict=True), strict=True):
        page, uncompressed, count = _page(leaf, values, rows)
        columns.append(_column(leaf, len(content), len(page), uncompressed, count))
        content += page
        size += uncompressed
    pairs = [
        thrift.encode((1, thrift.BINARY, key.encode()), (2, thrift.BINARY, value)) for key, value in metadata.items()
    ]
    group = thrift.encode((1, thrift.LIST, (thrift.STRUCT, columns)), (2, thrift.I64, size), (3, thrift.I64, rows))
    footer = thrift.encode(
        (1, thrift.I32, 2),
        (2, thrift.LIST, (thrift.STRUCT, [_group("schema", len(fields)), *_elements(fields)])),
        (3, thrift.I64, rows),
        (4, thrift.LIST, (thrift.STRUCT, [group])),
        (5, thrift.LIST, (thrift.STRUCT, pairs)),
        (6, thrift.BINARY, b"loan-model"),
    )
    content += footer + struct.pack("<I", len(footer)) + _MAGIC
    return bytes(content)


class _Leaf(NamedTuple):
    """A column of single values: its path, and the greatest levels of what is there and of what repeats."""

    path: tuple[str, ...]
    kind: Kind
    most: int
    repeats: int


def _leaves(fields: Sequence[Field]) -> list[_Leaf]:
    found = []
    for field in fields:
        if field.of:
            found += [_Leaf((field.name, each.name), each.kind, 2, 0) for each in field.of]
        elif field.is_list:
            found.append(_Leaf((field.name, "list", "element"), field.kind, 2, 1))
        else:
            found.append(_Leaf((field.name,), field.kind, 0 if field.required else 1, 0))
    return found


def _elements(fields: Sequence[Field]) -> list[bytes]:
    """The schema's elements below the root, each group before what is in it."""
    found = []
    for field in fields:
        if field.of:
            found += [_group(field.name, len(field.of), _OPTIONAL), *_elements(field.of)]
        elif field.is_list:
            found += [_group(field.name, 1, _OPTIONAL, _LIST), _group("list", 1, _REPEATED)]
            found.append(_single("element", field.kind, _REQUIRED))
        else:
            found.append(_single(field.name, field.kind, _REQUIRED if field.required else _OPTIONAL))
    return found


def _group(name: str, children: int, repetition: int | None = None, converted: int | None = None) -> bytes:
    return thrift.encode(
        (3, thrift.I32, repetition),
        (4, thrift.BINARY, name.encode()),
        (5, thrift.I32, children),
        (6, thrift.I32, converted),
        (10, thrift.STRUCT, None if converted is None else thrift.encode((3, thrift.STRUCT, thrift.encode()))),
    )


def _single(name: str, kind: Kind, repetition: int) -> bytes:
    logical = None
    if kind == "text":
        logical = thrift.encode((1, thrift.STRUCT, thrift.encode()))
    elif kind == "time":
        microseconds = thrift.encode((2, thrift.STRUCT, thrift.encode()))
        logical = thrift.encode(
            (8, thrift.STRUCT, thrift.encode((1, thrift.TRUE, b""), (2, thrift.STRUCT, microseconds)))
        )
    return thrift.encode(
        (1, thrift.I32, _PHYSICAL[kind]),
        (3, thrift.I32, repetition),
        (4, thrift.BINARY, name.encode()),
        (6, thrift.I32, {"text": _UTF8, "time": _MICROSECONDS}.get(kind)),
        (10, thrift.STRUCT, logical),
    )


def _page(leaf: _Leaf, values: Sequence[Values], rows: int) -> tuple[bytes, int, int]:
    """The page with its header, its size before compression with the header, and the number of its values."""
    plain = b"".join([each.plain for each in values])
    if leaf.kind == "boolean":
        plain = np.packbits(np.frombuffer(plain, np.uint8), bitorder="little").tobytes()
    levels, count = b"", rows
    if leaf.repeats:
        levels += _packed(np.concatenate([each.repeats for each in values if each.repeats is not None]), 1)
    if leaf.most:
        present = np.concatenate([each.levels for each in values if each.levels is not None])
        count = len(present)
        levels += _packed(present, leaf.most)
    content = levels + plain
    compressed = _compressed(content)
    data = thrift.encode((1, thrift.I32, count), (2, thrift.I32, _PLAIN), (3, thrift.I32, _RLE), (4, thrift.I32, _RLE))
    header = thrift.encode(
        (1, thrift.I32, 0), (2, thrift.I32, len(content)), (3, thrift.I32, len(compressed)), (5, thrift.STRUCT, data)
    )
    return header + compressed, len(header) + len(content), count


def _column(leaf: _Leaf, offset: int, compressed: int, uncompressed: int, count: int) -> bytes:
    metadata = thrift.encode(
        (1, thrift.I32, _PHYSICAL[leaf.kind]),
        (2, thrift.LIST, (thrift.I32, [_PLAIN, _RLE])),
        (3, thrift.LIST, (thrift.BINARY, [name.encode() for name in leaf.path])),
        (4, thrift.I32, _ZSTD),
        (5, thrift.I64, count),
        (6, thrift.I64, uncompressed),
        (7, thrift.I64, compressed),
        (9, thrift.I64, offset),
    )
    return thrift.encode((2, thrift.I64, offset), (3, thrift.STRUCT, metadata))


def _packed(levels: Levels, most: int) -> bytes:
    """Levels up to 1 or 2: one run where all are equal, else their bits, eight levels at a time."""
    if len(levels) and (levels == levels[0]).all():
        packed = thrift.varint(len(levels) << 1) + bytes([int(levels[0])])
    else:
        groups = -(-len(levels) // 8)
        padded = np.zeros(8 * groups, np.uint8)
        padded[: len(levels)] = levels
        bits = padded if most == 1 else ((padded[:, np.newaxis] >> np.array([0, 1], np.uint8)) & 1).reshape(-1)
        packed = thrift.varint(groups << 1 | 1) + np.packbits(bits, bitorder="little").tobytes()
    return struct.pack("<I", len(packed)) + packed


def _compressed(content: bytes) -> bytes:
    compressed: bytes = zstd.compress(content, 1)
    return compressed
