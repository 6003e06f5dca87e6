"""How far AUC and threshold depend on what the rejected would have done, which nobody knows.

The outcomes of the approved do not tell those of the rejected (Hand and Henley, IMA Journal of Mathematics Applied in
Business and Industry 5, 1993), and guessing them seldom makes a model better (Crook and Banasik, Journal of Banking &
Finance 28, 2004). So nothing is inferred: the figures are stated under assumptions. Each rejected application counts
partly as a bad one and partly as a good one (fuzzy augmentation), and is worse than its probability says by a factor
(parcelling; both in Siddiqi, Credit Risk Scorecards, 2006). The factor is here one of odds: where bad ones are rare it
is how many times as often the rejected are bad, and elsewhere it does not make all of them bad.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tabular_model.decisions.records import Records
from tabular_model.metrics import Estimate, bootstrap, cells, counted, discrimination, tallied
from tabular_model.totals import Added, added

FACTORS = (1.0, 2.0, 3.0)
EDGES = np.linspace(0, 1, 1001)[1:-1]  # of the bins in which applications are counted by their probability
SEED = 0

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Assumed(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of all applications, if the odds of the rejected to be bad were `times` those of their probabilities.

    `bad` is the share of the rejected that would be. `threshold` maximises Youden's J, as the training's does, and
    `approval_rate` is what it would approve of all. The intervals are of the approved's outcomes only.
    """

    times: float
    bad: float
    auc: Estimate
    threshold: Estimate
    approval_rate: Estimate


class Rejects(msgspec.Struct, frozen=True, kw_only=True):
    """The decisions of the months that have outcomes, and the figures under each assumption.

    The `approved` without an outcome are taken to be like those with one. Applications are counted in bins of a
    thousandth.
    """

    rejected: int
    approved: int
    assumed: list[Assumed]


@dataclass(frozen=True)
class Decided(Added):
    """How many decisions were `approved`; of those rejected, how many and the sum of probabilities, by bin [bins]."""

    approved: int
    rejected: Integers
    sums: Floats

    @classmethod
    def of(cls, probability: Floats, decision: Integers) -> "Decided":
        """Of probabilities [n] and decisions [n] of 0 and 1."""
        rejected = probability[decision == 0]
        rows, sums = _counted(np.zeros(len(rejected), np.int64), rejected)
        return cls(int(decision.sum()), rows[:, 0], sums[:, 0])


def decided(records: Records, months: Mapping[str, Collection[str]], until: date) -> dict[str, Decided]:
    """By version the decisions in its `months`, such as 2026-01, of the record until a day."""
    first = min((month for of_version in months.values() for month in of_version), default=None)
    if first is None:
        return {}
    tables = records.tables(("time", "version", "probability", "decision"), date.fromisoformat(f"{first}-01"), until)
    found: dict[str, list[Decided]] = {name: [] for name in months}
    for table in tables:
        answered = table.filter(pc.is_valid(table["probability"]))
        for name in set(answered["version"].to_pylist()) & months.keys():
            found[name].append(_of_months(answered.filter(pc.equal(answered["version"], name)), months[name]))
    totals = {name: added(parts) for name, parts in found.items()}
    return {name: total for name, total in totals.items() if total}


def _of_months(table: pa.Table, months: Collection[str]) -> Decided:
    within = table.filter(pc.is_in(pc.strftime(table["time"], "%Y-%m"), pa.array(sorted(months))))
    return Decided.of(within["probability"].to_numpy(), within["decision"].to_numpy())


def rejects(good: Integers, probability: Floats, all_decided: Decided | None) -> Rejects | None:
    """Of the approved with an outcome: 1 where good [n], and the probability [n]; None if nobody was rejected."""
    if all_decided is None or not all_decided.rejected.any():
        return None
    return Rejects(
        rejected=int(all_decided.rejected.sum()),
        approved=all_decided.approved,
        assumed=[_assumed(times, good, probability, all_decided) for times in FACTORS],
    )


def _assumed(times: float, good: Integers, probability: Floats, all_decided: Decided) -> Assumed:
    target, score, counts = counted(*_counted(good, probability))
    bins = np.flatnonzero(all_decided.rejected)
    rows = all_decided.rejected[bins].astype(np.float64)
    promised = all_decided.sums[bins] / rows
    bad = times * (1 - promised) / (promised + times * (1 - promised))
    targets = np.concatenate([target, np.ones(len(bins), np.int64), np.zeros(len(bins), np.int64)])
    scores = np.concatenate([score, promised, promised])
    rejected = np.concatenate([rows * (1 - bad), rows * bad])
    each = all_decided.approved / len(good)  # approved applications that one with an outcome stands for

    def figures(weights: Floats) -> Floats:
        whole = np.hstack([weights * each, np.tile(rejected, (len(weights), 1))])
        return np.column_stack([discrimination(targets, scores, whole)[0], *_best(targets, scores, whole)])

    auc, threshold, approval_rate = bootstrap(figures, len(target), SEED, counts)
    share = float(np.average(bad, weights=rows))
    return Assumed(times=times, bad=share, auc=auc, threshold=threshold, approval_rate=approval_rate)


def _best(target: Integers, score: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """The threshold [b] that maximises Youden's J and the share [b] that it approves, for each of `weights` [b, n].

    NaN where a class has no weight or there is one score only.
    """
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=-np.inf))
    sides = (weights * target, weights * (1 - target))
    good, bad = (np.add.reduceat(side[:, order], starts, axis=1).cumsum(axis=1) for side in sides)
    goods, bads = good[:, -1:], bad[:, -1:]
    none = np.full(len(weights), np.nan)
    if len(starts) < 2:
        return none, none
    with np.errstate(invalid="ignore", divide="ignore"):
        above = (bad / bads - good / goods)[:, :-1].argmax(axis=1)
    known = (goods > 0)[:, 0] & (bads > 0)[:, 0]
    passed = 1 - (good + bad)[np.arange(len(weights)), above] / (goods + bads)[:, 0]
    return np.where(known, score[order][starts][above + 1], none), np.where(known, passed, none)


def _counted(target: Integers, probability: Floats) -> tuple[Integers, Floats]:
    return tallied(cells(EDGES, target, probability), probability, len(EDGES) + 1)
