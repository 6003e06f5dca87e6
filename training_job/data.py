"""Loads a data set and rejects what cannot be trained on, naming the row and the column."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tabular_model.data import Batch, NoFile, Parser, Place, Rows, open_rows, require, target, text_of
from tabular_model.declaration import Declaration
from tabular_model.errors import DataError
from tabular_model.schema import Column

FEWEST = 20  # values of a column, and rows of a class, so that the holdout and every fold have some
FAR = 10  # widths of a column's range beyond it from where on a value is not what the column is declared to be
WRONG_SHARE = 0.01  # of the rows with such values, up to which they are kept and said


@dataclass(frozen=True)
class Dataset:
    """Applications that can be trained on.

    `frame` [n] has the declared columns in their order, float64 with NaN for missing and a category as the index of
    its level; `target` [n] is 1 for approved, else 0. `groups` [n] tells applicants apart and `times` [n] when a row
    was made, if so declared. `notes` are sentences on what was dropped and what looks wrong; `sha256` is the files'.
    """

    frame: pd.DataFrame
    target: NDArray[np.int64]
    source: str
    sha256: str
    notes: tuple[str, ...]
    groups: NDArray[np.str_] | None = None
    times: NDArray[np.datetime64] | None = None


class _Batch(NamedTuple):
    """The part of a batch that training uses."""

    place: Place
    matrix: NDArray[np.float64]
    target: NDArray[np.int64]
    groups: pa.Array | None
    times: NDArray[np.datetime64] | None


@contextmanager
def opened(source: str) -> Iterator[Rows]:
    """The rows at a path or URL, see `open_rows`."""
    try:
        with open_rows(source) as rows:
            yield rows
    except NoFile as error:
        raise NoFile(f"{str(error).rstrip('.')}; `loan data --output FILE` writes one.") from None


def load(source: str, declaration: Declaration) -> Dataset:
    """The data set at a path or URL; DataError with one sentence if it cannot be trained on."""
    with opened(source) as rows:
        return loaded(rows, declaration)


def loaded(rows: Rows, declaration: Declaration) -> Dataset:
    """The data set of these rows."""
    columns = declaration.columns
    require(rows.source, rows.names, used(declaration))
    parser = Parser(columns)
    batches = [_taken(batch, parser, declaration) for batch in rows]
    if not any(len(batch.target) for batch in batches):
        raise DataError(f"{rows.source} has column names but no rows.")
    matrix = np.concatenate([batch.matrix for batch in batches])
    approved = np.concatenate([batch.target for batch in batches])
    check_enough(rows.source, (~np.isnan(matrix)).sum(axis=0), np.bincount(approved, minlength=2), declaration)
    places = _Places(batches)
    notes = [*rows.notes, *dropped(rows.names, declaration)]
    notes += [note for index, column in enumerate(columns) for note in _outside(column, matrix[:, index], places)]
    groups = None
    if declaration.group:
        groups, alone = _groups([batch.groups for batch in batches])
        notes += [f"{alone} rows have no {declaration.group}; each is treated as a group of one row."] * bool(alone)
    times = np.concatenate([batch.times for batch in batches if batch.times is not None]) if declaration.time else None
    frame = pd.DataFrame({column.name: matrix[:, index].copy() for index, column in enumerate(columns)})
    return Dataset(frame, approved, rows.source, rows.sha256(), tuple(notes), groups, times)


def _taken(batch: Batch, parser: Parser, declaration: Declaration) -> _Batch:
    matrix = parser.matrix(batch)
    approved = target(batch, declaration.target)
    groups = text_of(batch, declaration.group) if declaration.group else None
    times = times_of(batch, declaration.time) if declaration.time else None
    return _Batch(batch.place, matrix, approved, groups, times)


def times_of(batch: Batch, column: str) -> NDArray[np.datetime64]:
    """Dates and times as in ISO 8601, those with a zone as of UTC."""
    text = text_of(batch, column).to_pandas()
    times = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)
    if times.isna().any():
        row = int(times.isna().to_numpy().argmax())
        shown = text[row]
        what = "is missing" if pd.isna(shown) else f"{shown!r} is not a date such as 2024-01-31"
        raise batch.place.bad_cell(row, column, what)
    return np.asarray(times, "datetime64[ns]")


def _groups(columns: Iterable[pa.Array]) -> tuple[NDArray[np.str_], int]:
    """The group of each row, and how many rows have none and become one each."""
    groups = pa.chunked_array(columns, pa.string()).to_pandas()
    alone = np.flatnonzero(groups.isna())
    groups[alone] = [f"\0{row}" for row in alone]
    return groups.to_numpy(str), len(alone)


def used(declaration: Declaration) -> list[str]:
    """The columns of the data that a training reads."""
    every = (*declaration.schema.names, declaration.target.name, declaration.group, declaration.time)
    return list(dict.fromkeys(filter(None, every)))


def dropped(names: Iterable[str], declaration: Declaration) -> list[str]:
    """Notes on the columns that are not used."""
    taken = {*used(declaration), declaration.id} - {""}
    others = [name for name in names if name not in taken]
    notes = []
    if ignored := [name for name in others if name in declaration.ignored]:
        notes.append(f"Ignored {', '.join(ignored)}, as declared.")
    for name in others:
        if name in ("", "index") or name.startswith(("Unnamed: ", "__index_level_")):
            notes.append("Dropped the unnamed column: it contains only row numbers.")
        elif name not in declaration.ignored:
            notes.append(f"Dropped the column {name}: it is not in the schema.")
    return notes


def check_enough(source: str, present: NDArray[np.int64], classes: NDArray[np.int64], declaration: Declaration) -> None:
    """DataError for too few values of a column, or too few rows of a class, to train on.

    `present` [columns] are the values of each, and `classes` the rows rejected and approved.
    """
    if present.min() < FEWEST:
        name = declaration.columns[int(present.argmin())].name
        raise DataError(f"{source} has a value in only {present.min()} rows of column {name}; {FEWEST} are needed.")
    declared = declaration.target
    words = (declared.rejected, declared.approved)
    if classes.min() == 0:
        raise DataError(f"{source} has only one class: {declared.name} is {words[int(classes.argmax())]} in every row.")
    if classes.min() < FEWEST:
        raise DataError(
            f"{source} has too few rows with {declared.name} {words[int(classes.argmin())]} to learn from and to be "
            f"judged on: {classes.min()}, where {FEWEST} are needed."
        )


class _Places:
    """Where each row of all batches came from."""

    def __init__(self, batches: list[_Batch]) -> None:
        self._places = [batch.place for batch in batches]
        self._starts = np.cumsum([0, *(len(batch.target) for batch in batches)]).tolist()

    def row(self, index: int) -> str:
        number = bisect_right(self._starts, index) - 1
        place = self._places[number]
        return f"{place.file}, {place.row(index - self._starts[number])}"


def beyond(column: Column, values: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of the values [n] are out of the column's range, and which are not what it is declared to be.

    Those are of a flag any but 0 and 1, of a number those beyond its range by more than `FAR` times its width.
    """
    if column.range is None:
        none = np.zeros(len(values), dtype=np.bool_)
        return none, none
    low, high = column.range
    margin = 0.0 if column.flag else FAR * (high - low)
    return (values < low) | (values > high), (values < low - margin) | (values > high + margin)


def not_of(column: Column, where: str, value: float, share: float) -> DataError:
    """The error for a column of which this share of the rows has values that do not belong to it."""
    return DataError(
        f"{where}, column {column.name}: {value:g} does not belong to a column of {column.minimum:g} to "
        f"{column.maximum:g}, and {share:.1%} of the rows have such values; correct the data or the declared range."
    )


def outside_note(column: Column, count: int) -> list[str]:
    """A sentence on that many values out of range, none on none."""
    values_are = "1 value is" if count == 1 else f"{count} values are"
    note = f"{column.name}: {values_are} outside {column.minimum:g} to {column.maximum:g}; kept unchanged."
    return [note] * (count > 0)


def _outside(column: Column, values: NDArray[np.float64], places: _Places) -> list[str]:
    """A note on values out of range; DataError where more than `WRONG_SHARE` of the rows have wrong ones."""
    outside, wrong = beyond(column, values)
    if wrong.mean() > WRONG_SHARE:
        first = int(wrong.argmax())
        raise not_of(column, places.row(first), values[first], wrong.mean())
    return outside_note(column, int(outside.sum()))
