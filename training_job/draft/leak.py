"""Finds columns that alone predict the target: they were written after the decision."""

import numpy as np
from numpy.typing import NDArray

from tabular_model.metrics import auc

LEAK = 0.98  # AUC of one column alone
FEWEST = 20  # rows of each class to tell it by
_FEW = 255  # different values that are taken one by one

Values = NDArray[np.float64]


def alone(target: NDArray[np.int64], values: Values, *, ordered: bool) -> float:
    """The AUC of one column [n] alone against the target [n] of 0 and 1, in its better direction; 0.5 where it is
    unknown. Where the values are few or have no order, a row scores as the rows of its value in the other half do."""
    if min((target == 1).sum(), (target == 0).sum()) < FEWEST:
        return 0.5
    scores = []
    if ordered:
        known = values[~np.isnan(values)]
        low, high = (known.min() - 1, known.max() + 1) if len(known) else (0.0, 0.0)
        scores += [np.nan_to_num(values, nan=low), np.nan_to_num(values, nan=high)]
    codes = np.unique(values, return_inverse=True)[1]
    if codes.max() <= _FEW:
        scores.append(_rates(target, codes))
    return max(max(found, 1 - found) for found in (auc(target, score) for score in scores))


def _rates(target: NDArray[np.int64], codes: NDArray[np.intp]) -> Values:
    """For each row the share of approved ones among the rows of its value in the other half."""
    rates = np.empty(len(target))
    half = np.arange(len(target)) % 2 == 0
    size = codes.max() + 1
    for mine in (half, ~half):
        count = np.bincount(codes[~mine], minlength=size)
        sums = np.bincount(codes[~mine], weights=target[~mine], minlength=size)
        mean = target[~mine].mean()
        rates[mine] = np.where(count > 0, sums / np.maximum(count, 1), mean)[codes[mine]]
    return rates
