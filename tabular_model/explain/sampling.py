"""Shapley values of any model of any number of columns, estimated by permutation sampling.

Columns change from the baseline's values to the row's in a random order, and each has the part by which the log-odds
change with it: the mean over orders is the Shapley value (Castro, Gomez and Tejada, Computers & Operations Research
36, 2009). Each order is taken backwards too, which cancels what pairs of columns do together (Mitchell et al.,
"Sampling Permutations for Shapley Value Estimation", JMLR 23, 2022). The orders are always the same, so that a row's
reasons are.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tabular_model.explain.coalitions import Score, log_odds
from tabular_model.explain.parts import Parts

PAIRS = 16  # of orders, one the other backwards
ROWS_SCORED_AT_ONCE = 8_192  # no call is so long that other threads wait for it

Floats = NDArray[np.float64]


def sampled(score: Score, features: list[int], baseline: Floats) -> Callable[[Floats], Parts]:
    """The function that gives, for rows [n, columns], the parts of their log-odds against `baseline` [columns].

    `features` are the positions of the columns that `score`, a probability, depends on. The standard error is that of
    the mean over pairs of orders; it is 0 for a model that is a sum of its columns.
    """
    rng = np.random.default_rng(0)
    forward = np.array([rng.permutation(features) for _ in range(PAIRS)])
    orders = np.stack([forward, forward[:, ::-1]], axis=1).reshape(2 * PAIRS, -1)
    present = _present(orders, len(baseline))

    def contributions(matrix: Floats) -> Parts:
        values, errors = np.zeros_like(matrix), np.zeros_like(matrix)
        for number, row in enumerate(matrix):
            changed = np.where(present, row, baseline)
            scored = [
                score(changed[start : start + ROWS_SCORED_AT_ONCE])
                for start in range(0, len(changed), ROWS_SCORED_AT_ONCE)
            ]
            steps = np.diff(log_odds(np.concatenate(scored)).reshape(len(orders), -1), axis=1)
            parts = np.zeros((len(orders), len(baseline)))
            np.put_along_axis(parts, orders, steps, axis=1)
            of_pair = parts.reshape(PAIRS, 2, -1).mean(axis=1)
            values[number] = of_pair.mean(axis=0)
            errors[number] = of_pair.std(axis=0, ddof=1) / np.sqrt(PAIRS)
        return Parts(values, errors)

    return contributions


def _present(orders: NDArray[np.int64], width: int) -> NDArray[np.bool_]:
    """For each order and each of its steps, none to all, which columns are the row's [orders * (steps + 1), width]."""
    rank = np.full((len(orders), width), orders.shape[1])
    np.put_along_axis(rank, orders, np.arange(orders.shape[1])[None], axis=1)
    steps = np.arange(orders.shape[1] + 1)
    return (rank[:, None, :] < steps[None, :, None]).reshape(-1, width)
