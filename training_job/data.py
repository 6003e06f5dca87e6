"""Load a data file, and refuse what cannot be trained on, naming the row and the column."""

import io
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import obstore
import pandas as pd
import pandera.pandas as pa
import pyarrow
from numpy.typing import NDArray
from obstore.exceptions import BaseError

from loan_model.errors import DataError
from loan_model.manifest import sha256
from loan_model.schema import SCHEMA, Column
from loan_model.storage import open_bucket, without_secrets

LONGEST = timedelta(minutes=15)  # for reading the file from a bucket
FEWEST = 20  # values of a column, and rows of a class, so that the holdout and every fold have some
MISSING = ("", "na", "n/a", "nan", "null", "none")  # ways to write a missing value, in any case


@dataclass(frozen=True)
class Dataset:
    """Applications fit for training.

    `frame` [n] has the schema's columns in its order, float64 with NaN for missing; `target` [n] is 0 or 1.
    `notes` are sentences on what was dropped and what looks odd; `sha256` is the file's.
    """

    frame: pd.DataFrame
    target: NDArray[np.int64]
    source: str
    sha256: str
    notes: tuple[str, ...]


def load(source: str) -> Dataset:
    """The data set in a CSV or Parquet file at a path or URL; DataError with one sentence if it is not fit."""
    content = _read(source)
    source = without_secrets(source)
    cells = _parse(content, source)
    notes = _dropped(cells)
    cells = _wanted(cells, source)
    frame = pd.DataFrame({name: _numbers(cells[name], source) for name in cells})
    _validate(frame, source)
    notes += [note for column in SCHEMA.columns for note in _out_of_range(frame, column)]
    target = frame.pop(SCHEMA.target).to_numpy(np.int64)
    return Dataset(frame.reset_index(drop=True), target, source, sha256(content), tuple(notes))


def _read(source: str) -> bytes:
    try:
        if "://" not in source:
            return Path(source).read_bytes()
        folder, _, name = source.rpartition("/")
        return bytes(obstore.get(open_bucket(folder, LONGEST), name).bytes())
    except (FileNotFoundError, IsADirectoryError):
        shown = without_secrets(source)
        raise DataError(f"There is no data file {shown}; `loan data --output FILE` writes one.") from None
    except (OSError, BaseError, ValueError) as error:
        why = without_secrets(f"{source} cannot be read: {_first_line(error)}")
        raise DataError(f"The data file {why}.") from None


def _parse(content: bytes, source: str) -> pd.DataFrame:
    """The cells of the file, as text if it is CSV, without empty rows; the index is the row's number from 0."""
    try:
        if content.startswith(b"PAR1"):
            cells = pd.read_parquet(io.BytesIO(content))
        else:
            text = io.StringIO(content.decode("utf-8-sig"))
            cells = pd.read_csv(text, dtype=str, keep_default_na=False, skip_blank_lines=False)
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{source} is empty; it needs a line of column names and rows below it.") from error
    except (ValueError, pyarrow.ArrowException) as error:
        raise DataError(f"{source} is neither CSV in UTF-8 nor Parquet: {_first_line(error)}.") from error
    if not isinstance(cells.index, pd.RangeIndex):
        cells = cells.reset_index(names="" if cells.index.name is None else cells.index.name)
    return cells[~cells.isin(["", None]).all(axis=1)]


def _dropped(cells: pd.DataFrame) -> list[str]:
    """What is said of the columns that are not in the schema."""
    notes = []
    for name in cells.columns.difference([*SCHEMA.names, SCHEMA.target], sort=False):
        if str(name) in ("", "index") or str(name).startswith("Unnamed: "):
            notes.append("Dropped the unnamed column: it only numbers the rows.")
        else:
            notes.append(f"Dropped the column {name}: it is not in the schema.")
    return notes


def _wanted(cells: pd.DataFrame, source: str) -> pd.DataFrame:
    wanted = [*SCHEMA.names, SCHEMA.target]
    absent = [name for name in wanted if name not in cells]
    if absent:
        there = ", ".join(str(name) or "(unnamed)" for name in cells)
        raise DataError(f"{source} has no column {', '.join(absent)}; its columns are {there}.")
    if cells.empty:
        raise DataError(f"{source} has no rows below its column names.")
    return cells[wanted]


def _numbers(cells: pd.Series, source: str) -> pd.Series:
    """The column as float64 with NaN for missing."""
    if pd.api.types.is_numeric_dtype(cells):
        return cells.astype("Float64").astype(np.float64)
    text = cells.astype(str).str.strip()
    numbers = pd.to_numeric(text, errors="coerce").astype(np.float64)
    broken = numbers.isna() & ~text.str.lower().isin(MISSING) & cells.notna()
    if broken.any():
        at = int(broken.to_numpy().argmax())
        raise _bad_cell(source, cells.name, cells.index[at], f"{cells.iloc[at]!r} is not a number")
    return numbers


def _validate(frame: pd.DataFrame, source: str) -> None:
    """DataError on the first cell that its column does not allow, or on classes too small to learn from."""
    try:
        _RULES.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        first = error.failure_cases.sort_values("index", kind="stable").iloc[0]
        what = "is missing" if pd.isna(first["failure_case"]) else f"{first['failure_case']:g} {first['check']}"
        raise _bad_cell(source, first["column"], first["index"], what) from error
    present = frame.notna().sum()
    if present.min() < FEWEST:
        raise DataError(
            f"{source} has a value in only {present.min()} rows of column {present.idxmin()}; {FEWEST} are needed."
        )
    counts = frame[SCHEMA.target].value_counts().reindex([0, 1], fill_value=0)
    if counts.min() == 0:
        raise DataError(f"{source} has only one class: {SCHEMA.target} is {counts.idxmax()} in every row.")
    if counts.min() < FEWEST:
        raise DataError(
            f"{source} has too few rows with {SCHEMA.target} {counts.idxmin()} to learn from and to be judged on: "
            f"{counts.min()}, where {FEWEST} are needed."
        )


def _out_of_range(frame: pd.DataFrame, column: Column) -> list[str]:
    values = frame[column.name]
    outside = int(((values < column.minimum) | (values > column.maximum)).sum())
    if not outside:
        return []
    rows = "1 value lies" if outside == 1 else f"{outside} values lie"
    return [f"{column.name}: {rows} outside {column.minimum:g} to {column.maximum:g}; kept as they are."]


def _rules(column: Column) -> pa.Column:
    checks = [pa.Check(np.isfinite, error="is not finite")]
    if column.dtype == "integer":
        checks.append(pa.Check(lambda values: values % 1 == 0, error="is not a whole number"))
    return pa.Column(float, checks, nullable=column.nullable)


_RULES = pa.DataFrameSchema(
    {column.name: _rules(column) for column in SCHEMA.columns}
    | {SCHEMA.target: pa.Column(float, pa.Check.isin([0, 1], error="is neither 0 nor 1"))}
)


def _bad_cell(source: str, column: object, index: int, what: str) -> DataError:
    """The row is counted from 1 below the column names, and the line from 1 with them."""
    return DataError(f"{source}, row {index + 1} (line {index + 2} of a text file), column {column}: {what}.")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
