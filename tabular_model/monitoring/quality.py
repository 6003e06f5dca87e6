"""What became of those who were approved, against what their probabilities promised.

An outcome exists only for an application that was approved. Among these the scores spread less than on the holdout, so
that the holdout's AUC is out of reach for a version that is as good as ever; what is promised is therefore what the
version's own probabilities promise for just these applications, if they hold as they did on the holdout. The same
reasoning adjusts a c-statistic for its case mix (van Klaveren et al., Statistics in Medicine 35, 2016).
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tabular_model.metrics import CHUNK, Estimate, Quality, discrimination, few
from tabular_model.monitoring.findings import Check, Checked
from tabular_model.monitoring.formulas import normal
from tabular_model.monitoring.limits import Limits
from tabular_model.monitoring.rejects import Decided, Rejects, rejects
from tabular_model.shares import Count, share_interval

SIMULATIONS = 400  # of the outcomes that the probabilities promise
SEED = 0

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Vintage(msgspec.Struct, frozen=True, kw_only=True):
    """The applications approved in a month (UTC): the share with a good outcome, and the mean probability of one."""

    month: str
    observed: Estimate
    promised: float
    quality: Quality


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """What the probabilities promise for the applications with an outcome, with the interval that chance has."""

    auc: Estimate
    ks: Estimate
    brier: Estimate


class Outcomes(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the approved: their quality, what was promised, the same on the `holdout`, and by vintage.

    `rejects` states figures under assumptions of the rejected; absent if there are none. `other` outcomes are neither
    good nor bad, and `of_rejected` are of applications that were rejected; none of them counts.
    """

    quality: Quality
    promise: Promise
    holdout: Quality
    other: int
    of_rejected: int
    vintages: list[Vintage]
    rejects: Rejects | None = None


class Came(NamedTuple):
    """Outcomes of one version: 1 where good [n], the probability [n] and the month [n] of the decision.

    `decided` are all decisions of these months.
    """

    good: Integers
    probability: Floats
    month: NDArray[np.str_]
    other: int
    of_rejected: int
    decided: Decided | None = None


def came(joined: pa.Table, good: Collection[str], bad: Collection[str]) -> Came:
    """From the decisions of one version joined with their outcomes, as `decisions.outcomes` joins them."""
    approved = joined.filter(pc.equal(joined["decision"], 1))
    is_good, is_bad = (pc.is_in(approved["outcome"], pa.array(sorted(words))) for words in (good, bad))
    known = pc.or_(is_good, is_bad)
    judged = approved.filter(known)
    return Came(
        good=is_good.filter(known).cast(pa.int64()).to_numpy(),
        probability=judged["probability"].to_numpy(),
        month=np.array(pc.strftime(judged["time"], "%Y-%m").to_pylist(), np.str_),
        other=approved.num_rows - judged.num_rows,
        of_rejected=joined.num_rows - approved.num_rows,
    )


def quality(found: Came, holdout: Quality, limits: Limits) -> tuple[Outcomes, list[Checked]]:
    """Of one outcome or more, the figures and the tests."""
    promise, error = promised(found.good, found.probability)
    of_all = Quality.of(found.good, found.probability, SEED)
    vintages = [_vintage(month, found, found.month == month) for month in np.unique(found.month).tolist()]
    outcomes = Outcomes(
        quality=of_all,
        promise=promise,
        holdout=holdout,
        other=found.other,
        of_rejected=found.of_rejected,
        vintages=vintages,
        rejects=rejects(found.good, found.probability, found.decided),
    )
    tests = [_discrimination(of_all, promise, error, limits)]
    tests += [_calibration(each, found.probability[found.month == each.month], limits) for each in vintages]
    return outcomes, tests


def promised(good: Integers, probability: Floats) -> tuple[Promise, float]:
    """What outcomes drawn by the probabilities [n] give, and the standard error of their AUC; NaN where undetermined.

    `good` [n] only helps to bin rows that are many.
    """
    _, mean, counts = few(good, probability)
    rows = np.ones(len(mean), np.int64) if counts is None else counts
    drawn = np.concatenate(list(_simulated(mean, rows)))
    known = drawn[np.isfinite(drawn).all(axis=1)]
    estimates = [Estimate.of(float(each.mean()) if len(each) else np.nan, each) for each in known.T]
    auc, ks, brier = estimates
    return Promise(auc=auc, ks=ks, brier=brier), float(known[:, 0].std()) if len(known) else np.nan


def _simulated(probability: Floats, rows: Integers) -> Iterator[Floats]:
    """AUC, KS and Brier score [b, 3] of outcomes that are drawn; cell i stands for `rows[i]` applications."""
    rng = np.random.default_rng(SEED)
    at_once = max(1, CHUNK // (2 * len(rows)))
    both = np.repeat([1, 0], len(rows))
    twice = np.tile(probability, 2)
    for start in range(0, SIMULATIONS, at_once):
        good = rng.binomial(rows, probability, (min(at_once, SIMULATIONS - start), len(rows)))
        weights = np.hstack([good, rows - good]).astype(np.float64)
        brier = weights @ (both - twice) ** 2 / rows.sum()
        yield np.column_stack([*discrimination(both, twice, weights), brier])


def _vintage(month: str, found: Came, rows: NDArray[np.bool_]) -> Vintage:
    good, probability = found.good[rows], found.probability[rows]
    return Vintage(
        month=month,
        observed=share_interval(Count(int(good.sum()), len(good))),
        promised=float(probability.mean()),
        quality=Quality.of(good, probability, SEED),
    )


def _discrimination(found: Quality, promise: Promise, error: float, limits: Limits) -> Checked:
    value, expected = found.auc.value, promise.auc.value
    if value is None or expected is None:
        tested, sentence = normal(0.0, 0.0, sides=1), "The outcomes are all alike, so that they have no AUC."
    else:
        tested = normal(expected - value, error, sides=1)
        sentence = f"The AUC of the outcomes is {value:.3f}; the probabilities promise {expected:.3f} for them."
    return Checked(Check.discrimination, "outcomes", value, expected, limits.auc, tested, sentence)


def _calibration(vintage: Vintage, probability: Floats, limits: Limits) -> Checked:
    """Calibration in the large: the observed share against the mean probability, whose draws have a known variance."""
    observed = vintage.observed.value or 0.0
    error = float(np.sqrt((probability * (1 - probability)).sum())) / len(probability)
    tested = normal(abs(observed - vintage.promised), error, sides=2)
    sentence = (
        f"Of those approved in {vintage.month} {observed:.1%} have a good outcome; {vintage.promised:.1%} was promised."
    )
    return Checked(Check.calibration, vintage.month, observed, vintage.promised, limits.calibration, tested, sentence)
