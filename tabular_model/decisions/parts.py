"""The parts of the record, read by PyArrow."""

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from tabular_model.decisions.links import KEY, Closing, Link
from tabular_model.errors import RecordError

# What PyArrow raises for bytes that are no Parquet: names that are no text are a ValueError.
_UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError)


def decode(content: bytes, name: str, columns: list[str] | None = None) -> tuple[Link, pa.Table]:
    """What a part says of itself, and its rows, with all or some of its columns; RecordError if it is not a part."""
    file = _opened(content, name)
    try:
        return _link(file, name), file.read(columns=columns)
    except _UNREADABLE as error:
        raise _unreadable(name) from error


def decode_columns(content: bytes, name: str, columns: list[str]) -> pa.Table:
    """Some columns of a part; RecordError if it is not a part."""
    try:
        return _opened(content, name).read(columns=columns)
    except _UNREADABLE as error:
        raise _unreadable(name) from error


def decode_link(content: bytes, name: str) -> Link:
    """What a part says of itself; RecordError if it is not a part."""
    return _link(_opened(content, name), name)


def decode_closing(content: bytes, name: str) -> Closing:
    """RecordError if it is not what a writer wrote."""
    try:
        return msgspec.json.decode(content, type=Closing)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(name) from error


def _opened(content: bytes, name: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(pa.BufferReader(content))
    except _UNREADABLE as error:
        raise _unreadable(name) from error


def _link(file: pq.ParquetFile, name: str) -> Link:
    try:
        return msgspec.json.decode((file.schema_arrow.metadata or {})[KEY.encode()], type=Link)
    except (*_UNREADABLE, msgspec.DecodeError) as error:
        raise _unreadable(name) from error


def _unreadable(name: str) -> RecordError:
    return RecordError(f"{name} is not a part of the record, or was changed: it cannot be read.")
