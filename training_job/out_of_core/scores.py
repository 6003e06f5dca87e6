"""The last pass: the scores of all rows of the holdout, counted in bins."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tabular_model import evaluate
from tabular_model.evaluate import Judged
from tabular_model.metrics import BINS, cells, counted, tallied
from tabular_model.schema import Column
from tabular_model.scoring.scorer import Scorer
from tabular_model.totals import Added
from training_job.out_of_core.holdout import Holdout
from training_job.out_of_core.survey import Days
from training_job.out_of_core.table import Block

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Scores(Added):
    """Rows, and the sum of their scores, by part of the holdout, bin and class [parts, bins, 2]."""

    rows: Integers
    sums: Floats

    def judged(self, part: int) -> Judged:
        """The rows of a part: for each bin and class one with the mean score, and how many rows it stands for."""
        return Judged(*counted(self.rows[part], self.sums[part]))

    def uncertainty(self) -> float:
        """How much the AUC may differ from that of the rows: half the share of pairs whose bin is the same."""
        rejected, approved = self.rows[0].T.astype(np.float64)
        return float((approved * rejected).sum() / (2 * approved.sum() * rejected.sum()))


@dataclass(frozen=True)
class Parts:
    """What is judged apart: bands of protected columns, with their place in the matrix, and periods."""

    columns: tuple[tuple[int, Column, tuple[float, ...]], ...]
    periods: tuple[np.datetime64, ...]

    @classmethod
    def of(cls, columns: Sequence[Column], sample: Floats, days: Days | None) -> "Parts":
        """Bands as declared, else at the quartiles of the `sample` [n, columns]; periods of about equally many rows."""
        protected = [(i, column) for i, column in enumerate(columns) if column.protected]
        bands = tuple((i, column, tuple(evaluate.band_edges(column, sample[:, i]))) for i, column in protected)
        return cls(bands, () if days is None else tuple(days.starts(evaluate.PERIODS)))

    def names(self) -> list[tuple[str, str]]:
        """The column and band of each of the `masks`, empty for all rows and for periods."""
        none = np.empty(0)
        bands = [(c.name, band) for _, c, edges in self.columns for band, _ in evaluate.groups(c, none, edges)]
        return [("", ""), *bands, *[("", "")] * len(self.periods)]

    def spans(self, days: Days) -> list[tuple[np.datetime64, np.datetime64]]:
        """The first and the last day of each period."""
        after = np.searchsorted(days.days, np.array([*self.periods[1:]], "datetime64[D]"))
        return list(zip(self.periods, days.days[[*(after - 1), -1]], strict=True)) if self.periods else []

    def masks(self, block: Block) -> Iterator[NDArray[np.bool_]]:
        """The rows [n] of each part: first all, then bands of columns, then periods."""
        yield np.ones(len(block.target), dtype=np.bool_)
        for place, column, edges in self.columns:
            for _, rows in evaluate.groups(column, block.matrix[:, place], edges):
                yield rows
        if self.periods and block.times is not None:
            period = np.searchsorted(np.array(self.periods), block.times.astype("datetime64[D]"), side="right") - 1
            for number in range(len(self.periods)):
                yield period == number


@dataclass(frozen=True)
class Scored:
    """Scores the rows of the holdout with the compiled model's files."""

    files: Mapping[str, bytes]
    edges: Floats
    parts: Parts
    holdout: Holdout

    @cached_property
    def _scorer(self) -> Scorer:
        return Scorer(self.files, "the compiled model")

    def __call__(self, block: Block) -> Scores:
        """Of a part of the rows."""
        held = self.holdout.of(block)
        score = np.zeros(len(held))
        score[held] = self._scorer.probabilities(block.matrix[held])
        cell, bins = cells(self.edges, block.target, score), len(self.edges) + 1
        chosen = (held & rows for rows in self.parts.masks(block))
        rows, sums = zip(*(tallied(cell[which], score[which], bins) for which in chosen), strict=True)
        return Scores(np.array(rows), np.array(sums))


def edges(scores: Floats, threshold: float) -> Floats:
    """Where bins begin: at quantiles of the scores [n], and at the threshold."""
    inner = np.quantile(scores, np.linspace(0, 1, BINS), method="inverted_cdf")
    return np.unique(np.append(inner, threshold))
