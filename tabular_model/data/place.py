"""The place of a row in its file, for messages."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tabular_model.errors import BadRows

Lines = Callable[[int], tuple[int, int]]


class Place(NamedTuple):
    """The places of the rows of a batch in `file`: the first is number `first`, from 0, of those that are not empty.

    `kept` [n] are the rows' places in what was read, where some were left out. `lines` gives for a row of a text
    file its number below the column names and the number of its line, both from 1; it looks at the file again.
    """

    file: str
    first: int
    lines: Lines | None = None
    kept: NDArray[np.int64] | None = None
    delimiter: str = ","

    def row(self, index: int) -> str:
        """The row of the batch at `index`, as people count it."""
        number = self.first + int(index if self.kept is None else self.kept[index])
        if self.lines is None:
            return f"row {number + 1}"
        row, line = self.lines(number)
        return f"row {row} (line {line} of a text file)"

    def bad_cell(self, index: int, column: str, what: str, rows: Sequence[int] = ()) -> BadRows:
        """The error that names a cell; `rows` are all that have such cells."""
        return BadRows(f"{self.file}, {self.row(index)}, column {column}: {what}.", rows or [index])


class Batch(NamedTuple):
    """Some rows of a file, all its columns as they came, and their place."""

    rows: pa.RecordBatch
    place: Place

    def without_empty_rows(self) -> "Batch":
        """The batch without rows none of whose cells hold anything, as spreadsheets leave them below their data."""
        empty: Any = None
        for column in self.rows.columns:
            blank = _blank(column)
            empty = blank if empty is None else empty & blank
            if not empty.any():
                return self
        if empty is None:
            return self
        kept = np.flatnonzero(~empty)
        return Batch(self.rows.take(pa.array(kept)), self.place._replace(kept=kept))


def _blank(column: pa.Array) -> NDArray[np.bool_]:
    storage = column.storage if isinstance(column, pa.ExtensionArray) else column
    blank = storage.is_null()
    if pa.types.is_string(storage.type) or pa.types.is_large_string(storage.type):
        blank = pc.or_(blank, pc.equal(storage, "").fill_null(True))
    return np.asarray(blank.to_numpy(zero_copy_only=False))
