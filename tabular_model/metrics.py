"""How good probabilities are: discrimination and calibration, each with a bootstrap 95 % interval.

A metric is computed for many weightings of the rows at once: `weights` [b, n] says how often each row counts,
so that a bootstrap is one call with multinomial counts, and the plain value one with ones. Rows that are too many to
hold are counted: each of the n stands for `counts` [n] rows of about the same probability.
"""

from collections.abc import Callable, Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import rankdata

RESAMPLES = 1000
CHUNK = 4_000_000  # weights held in memory at a time
CLIP = 1e-12  # probabilities are kept this far from 0 and 1 where a logarithm is taken
MOST = 50_000  # rows that are resampled one by one; more are counted first
BINS = 4096  # of equally many rows, by probability
NEWTON_STEPS = 30
DEVIATE = 1.959963984540054  # of the normal distribution, for an interval of 95 %
SETTLED = 1e-8  # a Newton step so small ends the search

Floats = NDArray[np.float64]

CHANCE = 0.5  # the AUC of a score that tells nothing


class Estimate(msgspec.Struct, frozen=True):
    """A value with its 95 % percentile interval; None where the rows cannot tell (one class only, say)."""

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, value: float, resampled: Floats) -> "Estimate":
        """The interval runs from percentile 2.5 to 97.5 of `resampled` [b], without its values that are not finite."""
        known = resampled[np.isfinite(resampled)]
        low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
        return cls(*(float(x) if np.isfinite(x) else None for x in (value, low, high)))

    def is_above(self, value: float) -> bool:
        """Whether all of the interval is; False where it is not determined."""
        return self.low is not None and self.low > value


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """How well probabilities fit what happened on `rows` rows, of which the share `approved` was approved.

    `gini` is 2 AUC - 1 and `ks` the largest distance between the two classes' score distributions.
    Calibration is Cox's recalibration (Biometrika 45, 1958): `calibration_slope` is b in
    logit P(y) = a + b logit(p), 1 if perfect, below 1 if the probabilities are too extreme;
    `calibration_intercept` is a with b held at 1, 0 if perfect, above 0 if too few approvals were predicted.
    """

    rows: int
    approved: float
    auc: Estimate
    gini: Estimate
    ks: Estimate
    log_loss: Estimate
    brier: Estimate
    calibration_slope: Estimate
    calibration_intercept: Estimate

    @classmethod
    def of(
        cls, target: NDArray[np.int64], probability: Floats, seed: int, counts: NDArray[np.int64] | None = None
    ) -> "Quality":
        """The quality of `probability` [n] of approval against `target` [n] of 0 and 1.

        More than `MOST` rows are counted in bins, which changes the AUC by less than 1 / (2 `BINS`).
        """
        target, probability, counts = few(target, probability, counts)
        names = ("auc", "gini", "ks", "log_loss", "brier", "calibration_slope", "calibration_intercept")
        estimates = bootstrap(lambda weights: _all(target, probability, weights), len(target), seed, counts)
        return cls(
            rows=len(target) if counts is None else int(counts.sum()),
            approved=float(np.average(target, weights=counts)),
            **dict(zip(names, estimates, strict=True)),
        )


def auc(target: NDArray[np.int64], probability: Floats) -> float:
    """The chance that an approved row scores above a rejected one, ties counting half."""
    return float(discrimination(target, probability, np.ones((1, len(target))))[0][0])


def auc_interval(target: NDArray[np.int64], score: Floats) -> Estimate:
    """The AUC with the interval of DeLong et al. (Biometrics 44, 1988), whose time is that of sorting.

    By midranks (Sun and Xu, IEEE Signal Processing Letters 21, 2014).
    """
    good, bad = score[target == 1], score[target == 0]
    if min(len(good), len(bad)) < 2:
        return Estimate(None, None, None)
    ranks = rankdata(np.concatenate([good, bad]))
    above = (ranks[: len(good)] - rankdata(good)) / len(bad)
    below = 1 - (ranks[len(good) :] - rankdata(bad)) / len(good)
    area = float(above.mean())
    reach = DEVIATE * float(np.sqrt(above.var(ddof=1) / len(good) + below.var(ddof=1) / len(bad)))
    return Estimate(area, max(0.0, area - reach), min(1.0, area + reach))


def bootstrap(
    statistics: Callable[[Floats], Floats], rows: int, seed: int, counts: NDArray[np.int64] | None = None
) -> list[Estimate]:
    """An estimate of each of the k columns of `statistics`, a function of weights [b, rows] to [b, k]."""
    plain = statistics(np.ones((1, rows)) if counts is None else counts[None, :].astype(np.float64))[0]
    drawn = _resamples(rows, seed) if counts is None else _recounts(counts, seed)
    resampled = np.concatenate([statistics(weights) for weights in drawn])
    return [Estimate.of(value, column) for value, column in zip(plain, resampled.T, strict=True)]


def few(
    target: NDArray[np.int64], probability: Floats, counts: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64] | None]:
    """The rows as they are, or if they are many for each bin and class the mean probability and how many they are."""
    if counts is not None or len(target) <= MOST:
        return target, probability, counts
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, BINS + 1)[1:-1]))
    return counted(*tallied(cells(edges, target, probability), probability, len(edges) + 1))


def cells(edges: Floats, target: NDArray[np.int64], probability: Floats) -> NDArray[np.int64]:
    """Each row's cell [n]: there are two in each of the bins that the rising `edges` part, one for each class."""
    return 2 * np.searchsorted(edges, probability, side="right") + target


def tallied(cell: NDArray[np.int64], probability: Floats, bins: int) -> tuple[NDArray[np.int64], Floats]:
    """The rows in each cell, and the sum of their probabilities [bins, 2]."""
    rows: NDArray[np.int64] = np.bincount(cell, minlength=2 * bins)
    sums = np.asarray(np.bincount(cell, probability, minlength=2 * bins), np.float64)
    return rows.reshape(bins, 2), sums.reshape(bins, 2)


def counted(rows: NDArray[np.int64], sums: Floats) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64]]:
    """Of each cell that has rows the class, the mean probability and how many they are."""
    bins, target = np.nonzero(rows)
    counts = rows[bins, target]
    return target, sums[bins, target] / counts, counts


def discrimination(target: NDArray[np.int64], probability: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """AUC and KS [b], each NaN where a class has no weight."""
    order = np.argsort(probability, kind="stable")
    starts = np.flatnonzero(np.diff(probability[order], prepend=-np.inf))
    weighted, approved = weights[:, order], target[order]
    good = np.add.reduceat(weighted * approved, starts, axis=1)
    bad = np.add.reduceat(weighted * (1 - approved), starts, axis=1)
    good_below, bad_below = good.cumsum(axis=1), bad.cumsum(axis=1)
    goods, bads = good_below[:, -1], bad_below[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        area = (good * (bad_below - bad / 2)).sum(axis=1) / (goods * bads)
        distance = np.abs(bad_below / bads[:, None] - good_below / goods[:, None]).max(axis=1)
    return area, distance


def calibration(target: NDArray[np.int64], probability: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Cox's slope and, at slope 1, intercept [b], by Newton's method; NaN where the rows do not determine them."""
    z = logit(np.clip(probability, CLIP, 1 - CLIP))
    slope, offset, intercept = np.zeros((3, len(weights)))
    with np.errstate(all="ignore"):
        for _ in range(NEWTON_STEPS):
            fitted = expit(offset[:, None] + slope[:, None] * z)
            residual = weights * (target - fitted)
            curvature = weights * fitted * (1 - fitted)
            g0, g1 = residual.sum(axis=1), residual @ z
            h00, h01, h11 = curvature.sum(axis=1), curvature @ z, curvature @ (z * z)
            determinant = h00 * h11 - h01 * h01
            turn = (h00 * g1 - h01 * g0) / determinant
            offset, slope = offset + (h11 * g0 - h01 * g1) / determinant, slope + turn
            if not np.any(np.abs(turn) > SETTLED):
                break
        for _ in range(NEWTON_STEPS):
            fitted = expit(intercept[:, None] + z)
            shift = (weights * (target - fitted)).sum(axis=1) / (weights * fitted * (1 - fitted)).sum(axis=1)
            intercept = intercept + shift
            if not np.any(np.abs(shift) > SETTLED):
                break
    goods = weights @ target
    both = (goods > 0) & (goods < weights.sum(axis=1))
    return (
        np.where(both & (np.abs(turn) <= SETTLED) & (determinant > SETTLED * h00 * h11), slope, np.nan),
        np.where(both & (np.abs(shift) <= SETTLED), intercept, np.nan),
    )


def losses(target: NDArray[np.int64], probability: Floats) -> tuple[Floats, Floats]:
    """Each row's log loss and squared error (whose mean is the Brier score) [n]."""
    p = np.clip(probability, CLIP, 1 - CLIP)
    return -np.log(np.where(target == 1, p, 1 - p)), (probability - target) ** 2


def _all(target: NDArray[np.int64], probability: Floats, weights: Floats) -> Floats:
    area, distance = discrimination(target, probability, weights)
    mean = weights / weights.sum(axis=1, keepdims=True)
    log_loss, brier = (mean @ loss for loss in losses(target, probability))
    slope, intercept = calibration(target, probability, weights)
    return np.column_stack([area, 2 * area - 1, distance, log_loss, brier, slope, intercept])


def _resamples(rows: int, seed: int) -> Iterator[Floats]:
    """How often each row is drawn in `RESAMPLES` samples with replacement, some of them [b, rows] at a time."""
    rng = np.random.default_rng(seed)
    at_once = max(1, CHUNK // rows)
    for start in range(0, RESAMPLES, at_once):
        size = min(at_once, RESAMPLES - start)
        drawn = rng.integers(0, rows, (size, rows)) + np.arange(size)[:, None] * rows
        yield np.bincount(drawn.ravel(), minlength=size * rows).reshape(size, rows).astype(np.float64)


def _recounts(counts: NDArray[np.int64], seed: int) -> Iterator[Floats]:
    """The same of rows that are counted: how many of each were drawn."""
    rng = np.random.default_rng(seed)
    at_once = max(1, CHUNK // len(counts))
    for start in range(0, RESAMPLES, at_once):
        size = min(at_once, RESAMPLES - start)
        yield rng.multinomial(counts.sum(), counts / counts.sum(), size).astype(np.float64)
