"""How often a notice does not have the reason that mattered most, because its column is never given as a reason."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tabular_model.explain.explainer import DECIMALS, Explainer
from tabular_model.metrics import Estimate
from tabular_model.schema import Column
from tabular_model.shares import Count, share_interval

MOST = 2_000  # rejected rows that are explained, about

Floats = NDArray[np.float64]


class Withheld(msgspec.Struct, frozen=True, kw_only=True):
    """Of `rejected` rows, the shares that `columns` lowered most of all, and that no other column lowered.

    `columns` are those trained on that are never given as reasons: protected ones and declared proxies.
    """

    columns: tuple[str, ...]
    rejected: int
    lowered_most: Estimate
    without_reason: Estimate


def withheld(
    explainer: Explainer,
    columns: Sequence[Column],
    features: Sequence[str],
    matrix: Floats,
    rejected: NDArray[np.bool_],
) -> Withheld | None:
    """Of the `rejected` [n] rows of `matrix` [n, columns], or every k-th; None if each feature may be a reason."""
    hidden = [i for i, column in enumerate(columns) if column.name in features and not column.can_be_reason]
    if not hidden:
        return None
    rows = matrix[rejected]
    rows = rows[:: max(1, len(rows) // MOST)]
    parts = explainer.contributions(rows).round(DECIMALS)
    of_hidden = parts[:, hidden].min(axis=1)
    of_others = np.delete(parts, hidden, axis=1).min(axis=1, initial=0)
    first, alone = (int(((of_hidden < of_others) & which).sum()) for which in (True, of_others == 0))
    return Withheld(
        columns=tuple(columns[i].name for i in hidden),
        rejected=len(rows),
        lowered_most=share_interval(Count(first, len(rows))),
        without_reason=share_interval(Count(alone, len(rows))),
    )
