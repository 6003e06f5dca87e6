"""Exact Shapley values of any model of few columns, by scoring every coalition of them.

An absent column takes the baseline's value (Sundararajan and Najmi, "The many Shapley values for model explanation",
ICML 2020). The rows to score double with each column: this is for models that are neither trees nor sums of columns.
"""

from collections.abc import Callable, Sequence
from math import factorial

import numpy as np
from numpy.typing import NDArray

MOST_FEATURES = 10
ROWS_SCORED_AT_ONCE = 8_192  # 0.5 MB: no call of numpy is so long that other threads wait for it

Floats = NDArray[np.float64]
Score = Callable[[Floats], Floats]


def coalitions(score: Score, features: Sequence[int], baseline: Floats) -> Score:
    """The function that gives, for rows [n, columns], the parts of their log-odds against `baseline` [columns].

    `features` are the positions of the columns that `score`, a probability, depends on.
    """
    size = len(features)
    present = (np.arange(2**size)[:, None] >> np.arange(size)) & 1 == 1
    weights = _weights(present)

    def contributions(matrix: Floats) -> Floats:
        parts = np.zeros_like(matrix)
        at_once = max(1, ROWS_SCORED_AT_ONCE // len(present))
        for start in range(0, len(matrix), at_once):
            rows = matrix[start : start + at_once]
            tried = np.tile(baseline, (len(rows), len(present), 1))
            tried[:, :, features] = np.where(present, rows[:, None, features], tried[:, :, features])
            values = log_odds(score(tried.reshape(-1, matrix.shape[1])))
            parts[start : start + at_once, features] = values.reshape(len(rows), -1) @ weights.T
        return parts

    return contributions


def _weights(present: NDArray[np.bool_]) -> Floats:
    """Weights [features, coalitions] so that `weights @ values` are the Shapley values."""
    size = present.shape[1]
    weight = np.array([factorial(s) * factorial(size - s - 1) / factorial(size) for s in range(size)] + [0.0])
    sizes = present.sum(axis=1)
    weights: Floats = np.where(present, weight[sizes - 1][:, None], -weight[sizes][:, None]).T
    return weights


def log_odds(probability: Floats) -> Floats:
    """Of probabilities [n], finite also where one is 0 or 1."""
    clipped = np.clip(probability, 1e-15, 1 - 1e-15)
    odds: Floats = np.log(clipped / (1 - clipped))
    return odds
