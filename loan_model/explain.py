"""Reason codes: what lowered an applicant's score, most important first.

Each feature's part in the log-odds is its baseline Shapley value: exact over all coalitions of features, where an
absent feature takes the value of a typical approved applicant (Sundararajan and Najmi, "The many Shapley values for
model explanation", ICML 2020). The parts add up to the applicant's log-odds less the typical applicant's.
"""

from collections.abc import Callable, Mapping
from math import factorial

import numpy as np

from loan_model.schema import Column
from loan_model.scorer import Matrix, Vector

REASONS = 4
_LOW, _HIGH, _MISSING, _NONE = range(4)
# Coalitions of 64 rows are 8 192 rows to score, 0.5 MB: no call of numpy is so long that other threads wait for it.
ROWS_AT_ONCE = 64


class Explainer:
    """Explains the scores of one model; `features` are the columns that it was trained on."""

    def __init__(
        self,
        score: Callable[[Matrix], Vector],
        columns: tuple[Column, ...],
        features: tuple[str, ...],
        baseline: Mapping[str, float],
    ) -> None:
        self._score = score
        self._columns = columns
        self._baseline = np.array([baseline[column.name] for column in columns], dtype=np.float64)
        self._features = [index for index, column in enumerate(columns) if column.name in features]
        size = len(self._features)
        self._present = (np.arange(2**size)[:, None] >> np.arange(size)) & 1 == 1
        self._weights = _shapley_weights(self._present)
        self._codes = np.array([_codes(column) for column in columns], dtype=object)

    def contributions(self, matrix: Matrix) -> Matrix:
        """Parts of the log-odds, float64 [n, columns]; 0 for a column that the model was not trained on."""
        parts = np.zeros_like(matrix)
        for start in range(0, len(matrix), ROWS_AT_ONCE):
            rows = matrix[start : start + ROWS_AT_ONCE]
            coalitions = np.tile(self._baseline, (len(rows), len(self._present), 1))
            coalitions[:, :, self._features] = np.where(
                self._present, rows[:, None, self._features], coalitions[:, :, self._features]
            )
            values = _log_odds(self._score(coalitions.reshape(-1, matrix.shape[1])))
            parts[start : start + ROWS_AT_ONCE, self._features] = values.reshape(len(rows), -1) @ self._weights.T
        return parts

    def reason_codes(self, matrix: Matrix) -> list[list[str]]:
        """For each row up to four codes such as `CREDIT_SCORE_LOW`, padded with empty strings."""
        parts = self.contributions(matrix)
        order = np.argsort(parts, axis=1, kind="stable")[:, :REASONS]
        rows = np.arange(len(matrix))[:, None]
        values = matrix[rows, order]
        kinds = np.where(np.isnan(values), _MISSING, np.where(values < self._baseline[order], _LOW, _HIGH))
        kinds[parts[rows, order] >= -1e-9] = _NONE
        codes = np.full((len(matrix), REASONS), "", dtype=object)
        codes[:, : order.shape[1]] = self._codes[order, kinds]
        return codes.tolist()


def _codes(column: Column) -> list[str]:
    """What is said of a value that is low, high, missing, or no reason."""
    name = column.name.upper()
    flag = column.dtype == "integer" and (column.minimum, column.maximum) == (0, 1)
    return [name if flag else f"{name}_LOW", name if flag else f"{name}_HIGH", f"{name}_MISSING", ""]


def _shapley_weights(present: np.ndarray) -> Matrix:
    """Weights [features, coalitions] so that `weights @ values` are the Shapley values."""
    size = present.shape[1]
    weight = np.array([factorial(s) * factorial(size - s - 1) / factorial(size) for s in range(size)] + [0.0])
    sizes = present.sum(axis=1)
    weights: Matrix = np.where(present, weight[sizes - 1][:, None], -weight[sizes][:, None]).T
    return weights


def _log_odds(probability: Vector) -> Vector:
    clipped = np.clip(probability, 1e-15, 1 - 1e-15)
    odds: Vector = np.log(clipped / (1 - clipped))
    return odds
