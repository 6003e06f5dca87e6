"""Whether the reasons of a model hold: repairing the first one raises the score, and small noise leaves them alike.

A Shapley value is a mean over all coalitions of columns, so that a column may have lowered the score on average
although the score falls when just this column is repaired (github.com/shap/shap/issues/435).
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from tabular_model.explain.coalitions import Score
from tabular_model.explain.explainer import REASONS, Explainer
from tabular_model.metrics import Estimate
from tabular_model.schema import Column
from tabular_model.shares import Count, share_interval

NEAREST = 500  # rows, which bound the time; a share of 95 % is then known to 2 points
NOISE = 0.01  # standard deviations
ENOUGH = 30  # rows that tell something

Floats = NDArray[np.float64]


class ReasonChecks(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of `rows` rejected rows of the holdout with a reason, those nearest below the threshold.

    `raised`: the score rises when the column of the first reason takes the value of the typical approved row, and
    `crossed`: it then reaches the threshold. `same_first` and `same_set`: the code of the first reason, and which codes
    there are, stay the same under normal noise of `NOISE` standard deviations of the training rows in each number;
    integers are rounded. Intervals are Wilson's. `without` are rows as near that have no reason.
    """

    rows: int
    without: int
    raised: Estimate
    crossed: Estimate
    same_first: Estimate
    same_set: Estimate

    @property
    def enough(self) -> bool:
        """Whether the rows are enough to tell."""
        return self.rows >= ENOUGH


class Explained(NamedTuple):
    """A model that gives rows [n, columns] of `columns` a probability [n], and reasons."""

    columns: Sequence[Column]
    score: Score
    explainer: Explainer
    threshold: float

    def check(self, holdout: Floats, train: Floats, seed: int) -> ReasonChecks:
        """Of rows of the holdout [n, columns] and of the training [m, columns]; `seed` is that of the noise."""
        rows, before = self._nearest(holdout)
        reasons = self.explainer.reasons(rows)
        first = reasons.columns[:, 0]
        has = first >= 0
        rows, before, codes, first = rows[has], before[has], _array(reasons.codes)[has], first[has]
        repaired = rows.copy()
        repaired[np.arange(len(rows)), first] = self.explainer.baseline[first]
        after = self.score(repaired)
        noisy = _array(self.explainer.reason_codes(self._noisy(rows, train, seed)))
        return ReasonChecks(
            rows=len(rows),
            without=int((~has).sum()),
            raised=_share(after > before),
            crossed=_share(after >= self.threshold),
            same_first=_share(codes[:, 0] == noisy[:, 0]),
            same_set=_share((np.sort(codes) == np.sort(noisy)).all(axis=1)),
        )

    def _nearest(self, matrix: Floats) -> tuple[Floats, Floats]:
        """The rejected rows next to the threshold, and their scores."""
        score = self.score(matrix)
        rejected = np.flatnonzero(score < self.threshold)
        nearest = rejected[np.argsort(-score[rejected], kind="stable")[:NEAREST]]
        return matrix[nearest], score[nearest]

    def _noisy(self, rows: Floats, train: Floats, seed: int) -> Floats:
        numbers = [not column.flag and column.type in ("number", "integer") for column in self.columns]
        spread = np.where(numbers, NOISE * np.nanstd(train, axis=0), 0.0)
        noisy: Floats = rows + np.random.default_rng(seed).normal(size=rows.shape) * spread
        return np.where([column.whole for column in self.columns], np.round(noisy), noisy)


def _array(codes: list[list[str]]) -> NDArray[np.object_]:
    return np.array(codes, dtype=object).reshape(len(codes), REASONS)


def _share(which: NDArray[np.bool_]) -> Estimate:
    return share_interval(Count(int(which.sum()), len(which)))
