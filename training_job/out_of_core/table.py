"""Rows to train on, passed over part by part as often as needed."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tabular_model.data import Batch, Parser, Rows, require, target, text_of
from tabular_model.declaration import Declaration
from tabular_model.errors import DataError
from tabular_model.totals import S, added
from training_job.data import dropped, times_of, used


class Block(NamedTuple):
    """Some rows: their columns [n, columns of the schema], target [n], and time [n] if they have one.

    `rows` [n] are hashes of the rows' values, `groups` [n] of what must stay together: the declared group, else the
    row; `alone` counts the rows without a group.
    """

    matrix: NDArray[np.float64]
    target: NDArray[np.int64]
    rows: NDArray[np.uint64]
    groups: NDArray[np.uint64]
    alone: int
    times: NDArray[np.datetime64] | None


class Boosting(NamedTuple):
    """What to boost on: the features' places in the matrix and types, XGBoost's settings, and which rows to take."""

    positions: list[int]
    types: list[str]
    settings: Mapping[str, Any]
    trained: Callable[[Block], NDArray[np.bool_]]


class Facts(NamedTuple):
    """What a data set is called, the digest of its content, sentences on it, and what keeps and reads it."""

    source: str
    sha256: str
    notes: tuple[str, ...]
    engine: str
    libraries: Mapping[str, str]


class Table(Protocol):
    """A data set, wherever it is kept."""

    @property
    def facts(self) -> Facts:
        """What it is."""

    def sum(self, of: Callable[[Block], S]) -> S:
        """The sum of what `of`, which can be pickled, gives for the parts; DataError for a row that is wrong."""

    def boost(self, boosting: Boosting) -> Any:
        """The booster of XGBoost."""


class Blocks:
    """Makes blocks of batches."""

    def __init__(self, declaration: Declaration) -> None:
        self._declaration = declaration
        self._parser = Parser(declaration.columns)

    def of(self, batch: Batch) -> Block:
        """The batch's rows; DataError names the first value that is not allowed."""
        declared = self._declaration
        matrix, approved = self._parser.matrix(batch), target(batch, declared.target)
        rows = hashes(matrix, approved)
        groups, alone = rows, 0
        if declared.group:
            groups, alone = _group_hashes(text_of(batch, declared.group), rows)
        times = times_of(batch, declared.time) if declared.time else None
        return Block(matrix, approved, rows, groups, alone, times)


def hashes(matrix: NDArray[np.float64], approved: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A hash of each row's values and target [n], equal for equal rows."""
    frame = pd.DataFrame(matrix + 0.0, copy=False)  # there is no -0 but 0
    frame["target"] = approved
    return np.asarray(pd.util.hash_pandas_object(frame, index=False), np.uint64)


def _group_hashes(text: pa.Array, rows: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], int]:
    names = text.to_pandas()
    missing = names.isna().to_numpy()
    found = pd.util.hash_array(names.fillna("").to_numpy(object), categorize=True)
    return np.where(missing, rows, found), int(missing.sum())


class StreamedTable:
    """Files, read anew in each pass."""

    def __init__(self, rows: Rows, declaration: Declaration) -> None:
        require(rows.source, rows.names, used(declaration))
        self._rows = rows
        self._declaration = declaration
        notes = (*rows.notes, *dropped(rows.names, declaration))
        self.facts = Facts(rows.source, rows.sha256(), notes, "stream", {})

    def blocks(self) -> Iterator[Block]:
        """All rows, in their order."""
        made = Blocks(self._declaration)
        return (made.of(batch) for batch in self._rows if batch.rows.num_rows)

    def sum(self, of: Callable[[Block], S]) -> S:
        """One part after the other."""
        total = added(map(of, self.blocks()))
        if total is None:
            raise DataError(f"{self.facts.source} has column names but no rows.")
        return total

    def boost(self, boosting: Boosting) -> Any:
        """Rows are kept on disk as bins, a few bytes a value."""
        from training_job.out_of_core.pages import boosted  # noqa: PLC0415 - XGBoost is an extra

        return boosted(self.blocks, boosting)
