"""Whether the reasons of a model hold: repairing the first one raises the score, and small noise leaves them as they are.

Shapley values are means over all coalitions of columns, so that a column may have lowered the score on average although
the score falls when just this column is repaired (github.com/shap/shap/issues/435).
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tabular_model.explain.coalitions import Score
from tabular_model.explain.explainer import Explainer
from tabular_model.metrics import Estimate
from tabular_model.schema import Column
from tabular_model.shares import Count, share_interval

NEAREST = 500  # rejected rows below the threshold, which bound the time; a share of 95 % is then known to 2 points
NOISE = 0.01  # standard deviations

Floats = NDArray[np.float64]


class ReasonChecks(msgspec.Struct, frozen=True, kw_only=True):
    """Of `rows` rejected rows of the holdout that have a reason, the nearest below the threshold, shares of them.

    `raised`: their score rises when the column of the first reason takes the value of the typical approved row, and
    `crossed`: it reaches the threshold. `same_first`, `same_set`: the code of the first reason, and which codes there
    are, stay the same under normal noise of `NOISE` standard deviations of the training rows in each number, rounded in
    integers. Intervals are Wilson's. `without` rows as near have no reason, and count in none of these.
    """

    rows: int
    without: int
    raised: Estimate
    crossed: Estimate
    same_first: Estimate
    same_set: Estimate


def check_reasons(
    explainer: Explainer, score: Score, matrix: Floats, threshold: float, spread: Floats, seed: int
) -> ReasonChecks:
    """Of rows `matrix` [n, columns] that `score` gives a probability; `spread` [columns] is the noise's deviation."""
    probability = score(matrix)
    rejected = np.flatnonzero(probability < threshold)
    nearest = rejected[np.argsort(-probability[rejected], kind="stable")[:NEAREST]]
    columns = explainer.reasons(matrix[nearest]).columns[:, 0] if len(nearest) else np.empty(0, np.int64)
    rows, first = matrix[nearest[columns >= 0]], columns[columns >= 0]
    if not len(rows):
        none = share_interval(Count(0, 0))
        return ReasonChecks(
            rows=0, without=len(nearest), raised=none, crossed=none, same_first=none, same_set=none
        )
    repaired = rows.copy()
    repaired[np.arange(len(rows)), first] = explainer.baseline[first]
    after = score(repaired)
    codes, noisy = (np.array(explainer.reason_codes(each)) for each in (rows, _noisy(rows, spread, seed)))
    return ReasonChecks(
        rows=len(rows),
        without=len(nearest) - len(rows),
        raised=_share(after > probability[nearest[columns >= 0]]),
        crossed=_share(after >= threshold),
        same_first=_share(codes[:, 0] == noisy[:, 0]),
        same_set=_share((np.sort(codes) == np.sort(noisy)).all(axis=1)),
    )


def spread(columns: Sequence[Column], train: Floats) -> Floats:
    """The standard deviation of the noise [columns] by training rows [n, columns]; 0 for flags and categories."""
    numbers = np.array([column.type in ("number", "integer") and not column.flag for column in columns])
    return np.where(numbers, NOISE * np.nanstd(train, axis=0), 0.0)
