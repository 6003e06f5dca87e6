"""What is counted of the decisions of one version, so that no row need be kept."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tabular_model.evaluate import groups
from tabular_model.manifest import Manifest
from tabular_model.reference import Distribution, Reference
from tabular_model.schema import Column
from tabular_model.shares import Count
from tabular_model.totals import Added

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Tally(Added):
    """Counts of decisions, and of requests that were `refused`.

    `columns` [columns, 3] are the rows of which the column was recorded, and of them those without a value and those
    out of range. `bins` are the rows in each bin of each column in turn, and then of the score. `groups` [groups, 4]
    are the rows, the approved ones, the sum of the scores and that of their squares, of each group of each protected
    column in turn.
    """

    rows: int
    approved: int
    refused: int
    columns: Integers
    bins: Integers
    groups: Floats


class Counter:
    """Counts the rows of one version in the bins of its reference and the groups of its protected columns."""

    def __init__(self, manifest: Manifest, reference: Reference) -> None:
        self.manifest = manifest
        self.reference = reference

    @property
    def columns(self) -> tuple[Column, ...]:
        """Those of the matrix."""
        return self.manifest.schema

    @property
    def distributions(self) -> list[Distribution]:
        """The reference of each column in turn, and then of the score."""
        return [*(self.reference.columns[column.name] for column in self.columns), self.reference.score]

    @cached_property
    def groups(self) -> list[tuple[str, str]]:
        """The protected column and the name of each group."""
        named = [(column, self._groups(column, np.empty(0))) for column in self._protected()]
        return [(column.name, name) for column, found in named for name, _ in found]

    def count(
        self,
        matrix: Floats,
        probability: Floats,
        decision: Integers,
        absent: Collection[str] = (),
        refused: int = 0,
    ) -> Tally:
        """Of rows [n, columns] and their answers [n]; the columns that are `absent` were not recorded."""
        there = np.array([column.name not in absent for column in self.columns])
        low = np.array([column.minimum for column in self.columns])
        high = np.array([column.maximum for column in self.columns])
        outside = (matrix < low) | (matrix > high)
        counted = [len(matrix) * np.ones(len(there)), np.isnan(matrix).sum(axis=0), outside.sum(axis=0)]
        return Tally(
            rows=len(matrix),
            approved=int(decision.sum()),
            refused=refused,
            columns=(np.column_stack(counted) * there[:, None]).astype(np.int64),
            bins=np.concatenate([d.count(values) for d, values in self._values(matrix, probability)]),
            groups=self._of_groups(matrix, probability, decision, absent),
        )

    def by_bin(self, tally: Tally) -> list[Integers]:
        """The counts of the bins of each of `distributions`."""
        ends = np.cumsum([len(each.counts) for each in self.distributions])
        return np.split(tally.bins, ends[:-1])

    def share(self, tally: Tally, column: int, what: int) -> Count:
        """Rows without a value (1) or out of range (2), of those with the column."""
        return Count(int(tally.columns[column, what]), int(tally.columns[column, 0]))

    def _values(self, matrix: Floats, probability: Floats) -> list[tuple[Distribution, Floats]]:
        return list(zip(self.distributions, [*matrix.T, probability], strict=True))

    def _of_groups(self, matrix: Floats, probability: Floats, decision: Integers, absent: Collection[str]) -> Floats:
        weights = np.column_stack([np.ones(len(matrix)), decision, probability, probability**2])
        found = np.zeros((len(self.groups), 4))
        at = 0
        for index, column in enumerate(self.columns):
            if column.name in self.manifest.protected:
                for _, rows in self._groups(column, matrix[:, index]):
                    if column.name not in absent:
                        found[at] = rows @ weights
                    at += 1
        return found

    def _protected(self) -> Sequence[Column]:
        return [column for column in self.columns if column.name in self.manifest.protected]

    def _groups(self, column: Column, values: Floats) -> list[tuple[str, NDArray[np.bool_]]]:
        return list(groups(column, values, self._edges[column.name]))

    @cached_property
    def _edges(self) -> dict[str, list[float]]:
        """Where the bands of each protected column begin: as declared, else about the quartiles of the reference."""
        return {column.name: self._bands(column) for column in self._protected()}

    def _bands(self, column: Column) -> list[float]:
        if column.type == "category" or column.flag or column.bands:
            return list(column.bands)
        reference = self.reference.columns[column.name]
        below = np.cumsum([0, *reference.counts]) / sum(reference.counts)
        quartiles: list[float] = np.unique(np.interp([0.25, 0.5, 0.75], below, reference.edges)).tolist()
        return quartiles
