"""Logistic regression from sums over rows, for rows that are passed over rather than held.

Newton's method on the objective of scikit-learn's LogisticRegression: C times the weighted log loss, and half the
squares of the coefficients, the intercept's not among them.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from tabular_model.errors import ModelError
from tabular_model.totals import Added, Total

SETTLED = 1e-6  # a step so small leaves an error of about its square
RISE = 1e-12  # of the loss, as a share of it, that rounding explains

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Transformer(Protocol):
    """What makes the regression's columns of the rows."""

    def transform(self, matrix: Any) -> Floats:
        """[n, columns of the schema] to [n, d]."""


@dataclass(frozen=True)
class Sums(Added):
    """The loss at some coefficients, its gradient [d + 1] and curvature [d + 1, d + 1], the intercept last."""

    loss: float
    gradient: Floats
    curvature: Floats


@dataclass(frozen=True)
class LossAt:
    """The sums of some rows at these coefficients, the intercept last; a class's rows weigh `weights` [2]."""

    columns: Transformer
    coefficients: Floats
    weights: tuple[float, float]

    def __call__(self, matrix: Floats, target: Integers) -> Sums:
        """Of rows [n, columns of the schema] and their target [n]."""
        z = np.column_stack([self.columns.transform(matrix), np.ones(len(matrix))])
        weight = np.asarray(self.weights)[target]
        log_odds = z @ self.coefficients
        residual = weight * (expit(log_odds) - target)
        curved = weight * expit(log_odds) * expit(-log_odds)
        loss = weight @ np.logaddexp(0, np.where(target == 1, -log_odds, log_odds))
        return Sums(float(loss), z.T @ residual, (z * curved[:, None]).T @ z)


def regress(
    total: Total,
    columns: Transformer,
    start: Floats,
    C: float,
    steps: int,
    weights: tuple[float, float] = (1.0, 1.0),
) -> Floats:
    """The coefficients [d + 1], the intercept last, from `start` on; ModelError where `steps` steps do not settle."""
    ridge = np.append(np.full(len(start) - 1, 1 / C), 0.0)
    best, step = start, np.zeros_like(start)
    least = np.inf
    for _ in range(steps):
        tried = best + step
        sums = total(LossAt(columns, tried, weights))
        loss = sums.loss + float(ridge @ tried**2) / 2
        if loss > least * (1 + RISE):
            step = step / 2
            continue
        best, least = tried, loss
        step = np.asarray(-np.linalg.solve(sums.curvature + np.diag(ridge), sums.gradient + ridge * tried), np.float64)
        if np.abs(step).max() <= SETTLED:
            return best + step
    raise ModelError(f"The regression did not settle within {steps} passes over the rows; raise max_iter or lower C.")
