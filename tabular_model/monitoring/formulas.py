"""Tests and intervals of shares and of distributions that are counted.

A test gives the chance of such a change if nothing had changed, and its critical value: `critical(alpha)` is the
change that chance alone passes with probability `alpha`.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tabular_model.impact import impact_ratio, log_ratio
from tabular_model.metrics import DEVIATE, Estimate
from tabular_model.reference import merged_bins, stability_index
from tabular_model.shares import Count

Counts = NDArray[np.int64]


class Shift(NamedTuple):
    """How large the change is, how likely by chance, and what chance explains."""

    change: float
    p_value: float
    critical: Callable[[float], float]


def distributions(reference: Counts, found: Counts) -> Shift:
    """The population stability index of two samples' counts [bins], bins merged until each has enough.

    Of two samples of n and m rows of one distribution it is, times n m / (n + m), chi-squared with one degree of
    freedom less than bins (Yurdakul, Statistical Properties of the Population Stability Index, 2018), which gives the
    critical value. The probability is that of Pearson's test of the same bins, which keeps to it with few rows too.
    """
    both = np.array([reference, found])
    rows = both.sum(axis=1)
    merged = merged_bins(both, rows) if rows.all() else both[:, :1]
    if merged.shape[1] < 2:
        return Shift(0.0, 1.0, lambda _: math.inf)
    chance = float((1 / rows).sum())
    freedom = merged.shape[1] - 1
    p_value = float(stats.chi2_contingency(merged).pvalue)
    index = stability_index(merged[0], merged[1])
    return Shift(index, p_value, lambda alpha: float(stats.chi2.isf(alpha, freedom)) * chance)


def shares(reference: Count, found: Count, limit: float) -> Shift:
    """How much a share has changed in either direction, by Fisher's exact test.

    The critical value has the variance of a share that has moved by `limit` towards one half, so that a share that was
    0 in a few rows does not count as known.
    """
    if not (reference.rows and found.rows):
        return Shift(0.0, 1.0, lambda _: math.inf)
    table = [[each.yes, each.rows - each.yes] for each in (reference, found)]
    moved = reference.share + (limit if reference.share < 0.5 else -limit)
    error = math.sqrt(moved * (1 - moved) * (1 / reference.rows + 1 / found.rows))
    p_value = float(stats.fisher_exact(table).pvalue)
    return Shift(abs(found.share - reference.share), p_value, lambda alpha: float(stats.norm.isf(alpha / 2)) * error)


def impact(group: Count, best: Count, groups: int) -> tuple[Estimate, Shift]:
    """The adverse impact ratio of a group against the `best` of so many groups, see `impact_ratio`, and its test.

    The test is Fisher's, one-sided. Because the best of several groups is the best by chance too, its probability is
    multiplied by their number (Bonferroni). The change is how far the ratio is below 1; where none of the best is
    approved the ratio is 1.
    """
    ratio = group.share / best.share if best.yes else 1.0
    _, error = log_ratio(*group, *best)
    table = [[each.yes, each.rows - each.yes] for each in (group, best)]
    p_value = min(1.0, groups * float(stats.fisher_exact(table, alternative="less").pvalue))

    def critical(alpha: float) -> float:
        return 1 - math.exp(-float(stats.norm.isf(alpha / groups)) * error)

    return impact_ratio(*group, *best), Shift(1 - ratio, p_value, critical)


def mean_difference(group: NDArray[np.float64], best: NDArray[np.float64], every: NDArray[np.float64]) -> Estimate:
    """The standardised mean difference: of the mean scores of two groups, in standard deviations of all rows.

    Each argument is the number of rows, the sum of their scores and the sum of their squares. The interval is the usual
    one of large samples (Hedges and Olkin, Statistical Methods for Meta-Analysis, 1985).
    """
    rows, total, squares = every
    variance = squares / rows - (total / rows) ** 2
    if not (group[0] and best[0] and variance > 0):
        return Estimate(None, None, None)
    found = float((group[1] / group[0] - best[1] / best[0]) / math.sqrt(variance))
    error = math.sqrt(1 / group[0] + 1 / best[0] + found**2 / (2 * (group[0] + best[0])))
    return Estimate(found, found - DEVIATE * error, found + DEVIATE * error)


def normal(change: float, error: float, *, sides: int) -> Shift:
    """The test of a change with a known standard error, for a change upwards or in either direction."""
    if not error > 0:
        return Shift(0.0, 1.0, lambda _: math.inf)
    p_value = min(1.0, sides * float(stats.norm.sf(change / error)))
    return Shift(change, p_value, lambda alpha: float(stats.norm.isf(alpha / sides)) * error)


def holm(p_values: NDArray[Any]) -> NDArray[np.float64]:
    """The probabilities [n] adjusted for being n (Holm, Scandinavian Journal of Statistics 6, 1979).

    One below alpha is significant; the chance that any of those is false is at most alpha, however they depend on each
    other.
    """
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted
