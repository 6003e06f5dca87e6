"""CSV and its kin: rows as text, nothing guessed of their types."""

import csv
from collections.abc import Iterator
from contextlib import closing

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from tabular_model.data.dialect import dialect_of, encoding_of, opened, text
from tabular_model.data.place import Batch, Place
from tabular_model.data.source import Part
from tabular_model.errors import DataError, first_line

_BLOCK = 4 * 2**20  # bytes that are split into cells at once; no row may be longer


class Delimited:
    """A CSV file. All columns are text, with the characters of the file."""

    count = None

    def __init__(self, part: Part) -> None:
        self._part = part
        self._encoding = encoding_of(part)
        self._dialect = dialect_of(part, self._encoding.name)
        names = self._dialect.names
        self._shown = names[:-1] if self._dialect.trailing else names
        self.schema = pa.schema([(name, pa.string()) for name in self._shown])
        self.notes = [self._encoding.note] if self._encoding.note else []

    def batches(self) -> Iterator[Batch]:
        """Reads the file anew each time; DataError names the first row with more or fewer cells than column names."""
        if self._dialect.empty:
            return
        first = 0
        try:
            with closing(self._reader()) as reader:
                for rows in reader:
                    place = Place(self._part.name, first, self._lines, delimiter=self._dialect.delimiter)
                    yield Batch(self._without_trailing(rows, place), place)
                    first += rows.num_rows
        except (pa.ArrowException, UnicodeError, OSError) as error:
            raise self._unequal(error) from None

    def _reader(self) -> pa.csv.CSVStreamingReader:
        columns = [str(index) for index in range(len(self._dialect.names))]
        encoding = "utf8" if self._encoding.name == "utf-8-sig" else self._encoding.name
        return pa.csv.open_csv(
            opened(self._part.path),
            pa.csv.ReadOptions(
                block_size=_BLOCK, skip_rows=self._dialect.header, column_names=columns, encoding=encoding
            ),
            pa.csv.ParseOptions(delimiter=self._dialect.delimiter, newlines_in_values=self._encoding.quotes),
            pa.csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string())),
        )

    def _without_trailing(self, rows: pa.RecordBatch, place: Place) -> pa.RecordBatch:
        """The columns under their names, and no last one where each row ends in a delimiter."""
        columns = rows.columns
        if self._dialect.trailing:
            filled = pc.index(pc.not_equal(columns.pop(), ""), True).as_py()
            if filled >= 0:
                raise DataError(
                    f"{place.file}, {place.row(filled)}: has a value in the last cell, which has no column name."
                )
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _records(self) -> Iterator[tuple[list[str], int, int]]:
        """Each row that is not empty, its number and its line; slow, for messages."""
        with text(self._part.path, self._encoding.name) as stream:
            reader = csv.reader(stream, delimiter=self._dialect.delimiter)
            row = line = 0
            for cells in reader:
                if line >= self._dialect.header:
                    row += 1
                    if cells:
                        yield cells, row, line + 1
                line = reader.line_num

    def _lines(self, number: int) -> tuple[int, int]:
        for count, (_, row, line) in enumerate(self._records()):
            if count == number:
                return row, line
        raise IndexError(number)

    def _unequal(self, error: Exception) -> DataError:
        """Names the first row with more or fewer cells than there are column names, else what the parser says."""
        width = len(self._dialect.names)
        try:
            for cells, row, line in self._records():
                if len(cells) != width:
                    more = "more" if len(cells) > width else "fewer"
                    return DataError(
                        f"{self._part.name}, row {row} (line {line} of a text file): has {len(cells)} cells, "
                        f"{more} than the {width} column names."
                    )
        except (csv.Error, UnicodeError):
            pass
        return DataError(f"{self._part.name} cannot be read as CSV: {first_line(error)}.")
