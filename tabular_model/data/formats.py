"""Which format a file is in: by its first bytes, whatever its name ends in."""

from collections.abc import Iterator
from typing import Any, Protocol

import pyarrow as pa

from tabular_model.data.delimited import Delimited
from tabular_model.data.dialect import opened
from tabular_model.data.excel import Excel
from tabular_model.data.jsonlines import JsonLines
from tabular_model.data.place import Batch
from tabular_model.data.source import Part
from tabular_model.data.typed import ArrowFile, ArrowStream, Parquet
from tabular_model.errors import DataError, first_line

_MAGIC: dict[bytes, Any] = {
    b"PAR1": Parquet,
    b"ARROW1": ArrowFile,
    b"\xff\xff\xff\xff": ArrowStream,
    b"PK\x03\x04": Excel,
    b"\xd0\xcf\x11\xe0": Excel,
}
_REFUSED = {
    b"FEA1": "is Feather of version 1; write it as version 2",
    b"BZh": "is compressed with bzip2; use gzip or zstd",
    b"\xfd7zXZ": "is compressed with xz; use gzip or zstd",
    b"[": "is one JSON array; write one object per line, without the brackets",
}
_BLANKS = b" \t\r\n"


class Table(Protocol):
    """One file that is open. `count` is the number of its rows where the file says it, `notes` what to tell of it."""

    schema: pa.Schema
    notes: list[str]

    @property
    def count(self) -> int | None:
        """Counts empty rows too; None for the formats that do not state it: CSV, JSON lines and Arrow."""

    def batches(self) -> Iterator[Batch]:
        """The rows in order, from the first, each time it is called."""


def table(part: Part) -> Table:
    """Opens the file; DataError where it cannot be read, with what it is or what it lacks."""
    try:
        with opened(part.path) as stream:
            compressed = isinstance(stream, pa.CompressedInputStream)
            start = stream.read(64)
        for magic, why in _REFUSED.items():
            if start.removeprefix(b"\xef\xbb\xbf").lstrip(_BLANKS).startswith(magic):
                raise DataError(f"{part.name} {why}.")
        for magic, form in _MAGIC.items():
            if start.startswith(magic) and compressed:
                raise DataError(
                    f"{part.name} is compressed as a whole, which is supported only for text formats; decompress it."
                )
            if start.startswith(magic):
                return form(part)  # type: ignore[no-any-return]
        if start.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe" + _BLANKS).startswith(b"{"):
            return JsonLines(part)
        return Delimited(part)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{part.name} cannot be read: {first_line(error)}.") from None
