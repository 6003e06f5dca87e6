"""Formats whose columns have types: Parquet, and Arrow, of whose files Feather is the other name."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from tabular_model.data.place import Batch, Place
from tabular_model.data.source import Part
from tabular_model.errors import DataError, first_line

_ROWS = 65_536
_BROKEN = (pa.ArrowException, OSError, UnicodeError)  # the last for names that are no UTF-8


class Typed:
    """A file of typed columns, read a batch at a time."""

    format: str

    def __init__(self, part: Part) -> None:
        self._part = part
        self.notes: list[str] = []
        try:
            self._file = self._open()
            self.schema: pa.Schema = self._columns()
            self.count = self._rows()
            names = self.schema.names
        except _BROKEN as error:
            raise self._broken(error) from None
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise DataError(f"{part.name} has the column {twice[0]} more than once; column names must be unique.")

    def batches(self) -> Iterator[Batch]:
        """Up to 65 536 rows each; DataError if the file is broken, perhaps after some batches."""
        first = 0
        try:
            for rows in self._batches():
                yield Batch(rows, Place(self._part.name, first))
                first += rows.num_rows
        except _BROKEN as error:
            raise self._broken(error) from None

    def _open(self) -> Any:
        raise NotImplementedError

    def _columns(self) -> pa.Schema:
        return self._file.schema

    def _rows(self) -> int | None:
        return None

    def _batches(self) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError

    def _broken(self, error: Exception) -> DataError:
        return DataError(f"{self._part.name} cannot be read as {self.format}: {first_line(error)}.")


class Parquet(Typed):
    """A Parquet file, whose footer states the number of rows."""

    format = "Parquet"

    def _open(self) -> Any:
        # Buffers that are filled beforehand are kept until the file is closed, which is as much as all parts together.
        return pa.parquet.ParquetFile(self._part.path, pre_buffer=False)

    def _columns(self) -> pa.Schema:
        return self._file.schema_arrow

    def _rows(self) -> int | None:
        return int(self._file.metadata.num_rows)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        return iter(self._file.iter_batches(_ROWS))


class ArrowFile(Typed):
    """Arrow's file format, which is Feather of version 2; it is mapped into memory, and its rows are not counted."""

    format = "Arrow"

    def _open(self) -> Any:
        return pa.ipc.open_file(pa.memory_map(str(self._part.path)))

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for index in range(self._file.num_record_batches):
            yield from _slices(self._file.get_batch(index))


class ArrowStream(Typed):
    """Arrow's stream format, which can be read once only: each call of `batches` opens the file again."""

    format = "an Arrow stream"

    def _open(self) -> Any:
        return pa.ipc.open_stream(pa.memory_map(str(self._part.path)))

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for rows in self._open():
            yield from _slices(rows)


def _slices(rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    for start in range(0, rows.num_rows, _ROWS):
        yield rows.slice(start, _ROWS)
