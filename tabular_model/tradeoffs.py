"""What a threshold costs: how good the decisions are and how unlike the groups' approval rates, across thresholds.

The AUC of the score is the same at each threshold. What moves with it is the AUC of the decision, which is the mean of
the shares of approved rows that are approved and of rejected rows that are rejected.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tabular_model.evaluate import FEWEST, Judged
from tabular_model.impact import impact_ratio
from tabular_model.metrics import Estimate

SHARES = tuple(share / 100 for share in range(5, 100, 5))  # of the rows that the thresholds approve
ROUNDING = 1e-9  # of a share of rows that is a whole number but for the last bit

Floats = NDArray[np.float64]
Bands = Mapping[str, Sequence[tuple[str, Judged]]]


class Lowest(msgspec.Struct, frozen=True):
    """The group with the lowest adverse impact ratio at a threshold, and that ratio."""

    band: str
    ratio: Estimate


class Tradeoff(msgspec.Struct, frozen=True):
    """One threshold: the share of rows that it approves, the AUC of its decisions, and `lowest` by protected column.

    `decision_auc` is None where the rows have one class only. Groups of fewer than `FEWEST` rows are left out, and a
    column of fewer than two other groups too.
    """

    threshold: float
    approval_rate: float
    decision_auc: float | None
    lowest: dict[str, Lowest]


def tradeoffs(judged: Judged, bands: Bands, threshold: float) -> list[Tradeoff]:
    """At thresholds that approve each of `SHARES` of the rows, and at `threshold`, the lowest first.

    `bands` are the groups of each protected column with their rows.
    """
    return _at(judged, bands, np.unique(np.append(_approving(judged), threshold)))


def at_rate(judged: Judged, bands: Bands, rate: float) -> Tradeoff:
    """At the threshold that approves a share of the rows nearest to `rate`; equal scores are approved together."""
    scores = np.unique(judged.score)
    nearest = np.abs(_approved(judged, scores) / judged.rows - rate).argmin()
    return _at(judged, bands, scores[[nearest]])[0]


def _at(judged: Judged, bands: Bands, at: Floats) -> list[Tradeoff]:
    rates = _approved(judged, at) / judged.rows
    quality = _decision_auc(judged, at)
    lowest = {column: found for column, groups in bands.items() if (found := _lowest(groups, at))}
    return [
        Tradeoff(
            threshold=float(at[i]),
            approval_rate=float(rates[i]),
            decision_auc=None if quality is None else float(quality[i]),
            lowest={column: found[i] for column, found in lowest.items()},
        )
        for i in range(len(at))
    ]


def frontier(found: Sequence[Tradeoff], column: str) -> list[Tradeoff]:
    """Those that no other beats in the AUC of the decision or in the lowest ratio without losing in the other."""
    points = [(each.decision_auc, each.lowest[column].ratio.value if column in each.lowest else None) for each in found]
    return [found[i] for i in unbeaten(points)]


def unbeaten(points: Sequence[tuple[float | None, float | None]]) -> list[int]:
    """The places of those that no other beats in the first or the second value without losing in the other."""
    known = [(i, first, second) for i, (first, second) in enumerate(points) if first is not None and second is not None]
    return [
        i
        for i, first, second in known
        if not any(a >= first and b >= second and (a > first or b > second) for _, a, b in known)
    ]


def _approving(judged: Judged) -> Floats:
    """The highest threshold that approves each of `SHARES` at least."""
    scores, below = _rising(judged)
    most = below[-1] * (1 - np.array(SHARES) * (1 - ROUNDING))  # rows that it may reject
    approving: Floats = scores[np.searchsorted(below, most, side="right") - 1]
    return approving


def _approved(judged: Judged, at: Floats) -> Floats:
    """How many rows score at least each of `at` [k]."""
    scores, below = _rising(judged)
    passed: Floats = below[-1] - below[np.searchsorted(scores, at)]
    return passed


def _rising(judged: Judged) -> tuple[Floats, Floats]:
    """The scores in order [n], and how many rows are below each of them and in all [n + 1]."""
    order = np.argsort(judged.score)
    counts = np.ones(len(order)) if judged.counts is None else judged.counts[order]
    return judged.score[order], np.append(0.0, np.cumsum(counts))


def _decision_auc(judged: Judged, at: Floats) -> Floats | None:
    good, bad = judged.of(judged.target == 1), judged.of(judged.target == 0)
    if not (good.rows and bad.rows):
        return None
    quality: Floats = (1 + _approved(good, at) / good.rows - _approved(bad, at) / bad.rows) / 2
    return quality


def _lowest(groups: Sequence[tuple[str, Judged]], at: Floats) -> list[Lowest]:
    """For each of `at` [k]; empty if there are not two groups to compare."""
    enough = [(name, judged) for name, judged in groups if judged.rows >= FEWEST]
    if len(enough) < 2:
        return []
    approved = np.array([_approved(judged, at) for _, judged in enough])
    rows = np.array([judged.rows for _, judged in enough], dtype=np.float64)
    rates = approved / rows[:, None]
    highest = len(enough) - 1 - rates[::-1].argmax(axis=0)  # of groups that are alike another one than the lowest
    return [
        Lowest(enough[worst][0], impact_ratio(approved[worst, i], rows[worst], approved[best, i], rows[best]))
        for i, (worst, best) in enumerate(zip(rates.argmin(axis=0), highest, strict=True))
    ]
