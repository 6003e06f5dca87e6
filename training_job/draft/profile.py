"""What the rows of a data set show of each column, gathered a batch at a time."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tabular_model.data import Batch
from tabular_model.data.cells import plain
from tabular_model.data.numerals import MISSING, BadText, Numerals
from tabular_model.declaration_rules import MOST_LEVELS
from tabular_model.schema import Column

SAMPLE = 200_000  # rows that are kept for statistics, at most twice as many
_NONE = ("none", "NONE")  # as a value of text it is one, such as a guarantor: none

Values = NDArray[np.float64]


class Profile:
    """One column in all rows.

    `number` says whether all values are numbers, `low` to `high`, `whole` whether they are written without a fraction,
    `infinite` whether one is infinity; `odd` is the first that is no number. `levels` has the rows of each value as it
    is written, and is None where there are more values than a category may have. `sample` has the cells of the rows
    that were kept, evenly spread; `first` those of the first batch.
    """

    def __init__(self, name: str, kind: pa.DataType) -> None:
        self.name, self.type = name, kind
        self.rows = self.missing = 0
        self.first: pa.Array | None = None
        self.low, self.high = np.inf, -np.inf
        self.number = _numeric(kind) or _text(kind)
        self.whole = not pa.types.is_floating(kind) and not (pa.types.is_decimal(kind) and kind.scale > 0)
        self.odd = ""
        self.infinite = False
        self.levels: dict[str, int] | None = {} if self.number or pa.types.is_boolean(kind) else None
        self.sample: pa.Array = pa.nulls(0)

    @property
    def present(self) -> int:
        """How many rows have a value."""
        return self.rows - self.missing

    @property
    def values(self) -> tuple[str, ...]:
        """The different values as they are written, in order; none where they are too many to be kept."""
        found = self.levels or {}
        return tuple(sorted(value for value in found if not (self.number and value.lower() in MISSING)))

    @property
    def distinct(self) -> float:
        """The share of different values among the kept rows, or among the first ones where that is lower."""
        parts = [pc.drop_null(part) for part in (self.sample, self.first) if part is not None]
        return min((len(pc.unique(part)) / len(part) for part in parts if len(part)), default=0.0)

    def shown(self) -> list[str]:
        """Values of text, or some of them where they are many."""
        if self.levels is not None:
            return list(self.values)
        if not _text(self.sample.type):
            return []
        some = (value.strip() for value in self.sample.slice(0, 10_000).to_pylist() if value)
        return [value for value in some if value.lower() not in MISSING]

    def sampled(self) -> Values:
        """The kept rows as numbers, those of a category being the places of its levels; NaN where missing."""
        if self.number and _text(self.sample.type):
            (found,) = self._numerals.parse([(Column(name=self.name), self.sample)])
            return np.full(len(self.sample), np.nan) if isinstance(found, BadText) else found
        if self.number:
            return _float64(self.sample)
        text = pc.utf8_trim_whitespace(self.sample.cast(pa.string()))
        return _float64(pc.index_in(text, pa.array(self.values, pa.string())))

    def add(self, cells: pa.Array, numerals: Numerals) -> None:
        """Takes in more rows, without the wrapping of their arrow type."""
        self._numerals = numerals
        self.rows += len(cells)
        self.first = cells if self.first is None else self.first
        counted = False
        if self.number:
            numbers = numerals.parse([(Column(name=self.name), cells)])[0] if _text(cells.type) else _float64(cells)
            if isinstance(numbers, BadText):
                self.number, self.odd = False, str(cells[int(numbers.rows[0])].as_py()).strip()
            else:
                counted = True
                self.missing += int(np.isnan(numbers).sum())
                self.infinite = self.infinite or bool(np.isinf(numbers).any())
                self._add_numbers(cells, numbers[np.isfinite(numbers)])
        if self.levels is not None:
            missing = self._add_levels(cells, self.levels)
            self.missing += 0 if counted else missing
        elif not counted:
            self.missing += int(cells.null_count)

    def _add_numbers(self, cells: pa.Array, known: Values) -> None:
        if len(known):
            self.low, self.high = min(self.low, float(known.min())), max(self.high, float(known.max()))
        self.whole = self.whole and bool((known == np.rint(known)).all())
        if self.whole and _text(cells.type):
            self.whole = not pc.any(pc.match_substring_regex(cells, r"\d[.,]")).as_py()

    def _add_levels(self, cells: pa.Array, levels: dict[str, int]) -> int:
        """Counts the rows of each value; gives how many are missing."""
        missing = 0
        counts = pc.value_counts(cells)
        for value, rows in zip(
            counts.field("values").cast(pa.string()).to_pylist(), counts.field("counts").to_pylist(), strict=True
        ):
            level = "" if value is None else value.strip()
            if level.lower() in MISSING and level not in _NONE:
                missing += rows
            else:
                levels[level] = levels.get(level, 0) + rows
        if len(levels) > MOST_LEVELS:
            self.levels = None
        return missing


def profiles(schema: pa.Schema, batches: Iterable[Batch]) -> list[Profile]:
    """The columns in their order, after one pass over all rows; memory is that of the sample."""
    found = [Profile(field.name, _cells(pa.nulls(0, field.type)).type) for field in schema]
    kept, step, rows, file = [], 1, 0, None
    for batch in batches:
        if batch.place.file != file:
            file, numerals = batch.place.file, Numerals(batch.place.delimiter)
        size = batch.rows.num_rows
        columns = [_cells(column) for column in batch.rows.columns]
        for profile, cells in zip(found, columns, strict=True):
            profile.add(cells, numerals)
        cells_of_rows = pa.RecordBatch.from_arrays(columns, names=schema.names)
        kept.append(cells_of_rows.take(np.arange(-rows % step, size, step)))
        rows += size
        while sum(part.num_rows for part in kept) > 2 * SAMPLE:
            kept, step = _halved(kept), 2 * step
    for index, profile in enumerate(found):
        profile.sample = pa.concat_arrays([part.column(index) for part in kept]) if kept else profile.sample
    return found


def _halved(kept: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """Every second row, counted over all batches."""
    halved, rows = [], 0
    for part in kept:
        halved.append(part.take(np.arange(rows % 2, part.num_rows, 2)))
        rows += part.num_rows
    return halved


def _cells(column: pa.Array) -> pa.Array:
    """The cells without the wrapping of their arrow type; none where bytes are no text."""
    try:
        return plain(column)
    except pa.ArrowInvalid:
        return pa.nulls(len(column), pa.string())


def _text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind))


def _numeric(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _float64(cells: pa.Array) -> Values:
    return np.asarray(pc.cast(cells, pa.float64(), safe=False).to_numpy(zero_copy_only=False))
