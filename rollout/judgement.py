"""Is the canary worse than stable? Each check compares what both did over the same window.

A check says `worse` when the difference is beyond chance (at `significance`) and beyond its threshold, at any number of
requests; `fine` only once both versions have answered enough of them; and `unsure` until then. Traffic is shared
without regard to what is asked, so that in a check any other difference than the version's own is chance.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from rollout.traffic import Histogram, Traffic
from rollout.values import Judgement
from rollout.workload import Health
from tabular_model.reference import merged_bins, stability_index


class Outcome(StrEnum):
    """The worst first: a judgement's outcome is the first of these that one of its findings has."""

    worse = "worse"
    unsure = "unsure"
    fine = "fine"


class Finding(msgspec.Struct, frozen=True):
    """One check: both figures, what the canary's may be at most, and the chance of such a difference by chance."""

    check: str
    stable: float
    canary: float
    limit: float
    p_value: float
    outcome: Outcome
    sentence: str


class Judged(msgspec.Struct, frozen=True):
    """The worst outcome of all findings, and how many requests each version had in the traffic compared."""

    outcome: Outcome
    findings: tuple[Finding, ...]
    stable_requests: int
    canary_requests: int

    @property
    def why(self) -> str:
        """What decided, in a sentence."""
        worse = [each.sentence for each in self.findings if each.outcome is Outcome.worse]
        if worse:
            return "; ".join(worse)
        if self.outcome is Outcome.fine:
            return f"no worse in any check over {self.canary_requests} requests"
        return f"too little traffic to tell: {self.canary_requests} requests, and {self.stable_requests} of stable"


class _Part(NamedTuple):
    """A share, and the number of cases that it was found in."""

    share: float
    cases: float

    @classmethod
    def of(cls, part: float, whole: float, cases: float) -> "_Part":
        return cls(min(1.0, part / whole) if whole else 0.0, cases)

    @property
    def counts(self) -> tuple[int, int]:
        """The cases that are so, and those that are not."""
        cases = round(self.cases)
        yes = round(self.share * cases)
        return yes, cases - yes


class _Test(NamedTuple):
    """`beyond`: the difference is more than the threshold allows."""

    check: str
    stable: float
    canary: float
    limit: float
    p_value: float
    beyond: bool
    sentence: str


def judge(stable: Traffic, canary: Traffic, health: Health | None, limits: Judgement) -> Judged:
    """What the canary's traffic and pods say against it, or for it; without `health` its pods are not judged."""
    enough = min(stable.requests, canary.requests) >= limits.min_requests
    findings = [_restarts(health, limits)] if health else []
    for test in _tests(stable, canary, limits):
        if test.beyond and test.p_value < limits.significance:
            outcome = Outcome.worse
        else:
            outcome = Outcome.fine if enough else Outcome.unsure
        findings.append(Finding(*test[:5], outcome, test.sentence))
    outcomes = {each.outcome for each in findings}
    return Judged(
        outcome=next(each for each in Outcome if each in outcomes),
        findings=tuple(findings),
        stable_requests=round(stable.requests),
        canary_requests=round(canary.requests),
    )


def _tests(stable: Traffic, canary: Traffic, limits: Judgement) -> Iterator[_Test]:
    failed, approved, missing, outside = zip(_parts(stable), _parts(canary), strict=True)
    yield _errors(*failed, limits.error_ratio)
    yield _latency(stable.seconds, canary.seconds, 0.5, limits.p50_ratio, limits.latency_margin)
    yield _latency(stable.seconds, canary.seconds, 0.99, limits.p99_ratio, limits.latency_margin)
    yield _psi(stable, canary, limits)
    yield _shift("approvals", "approves {} of its applications", *approved, limits.approval_shift)
    yield _shift("missing", "has {} missing values", *missing, limits.missing_shift)
    yield _shift("out of range", "has {} values out of range", *outside, limits.out_of_range_shift)


def _parts(traffic: Traffic) -> Iterator[_Part]:
    """Failed requests, approved applications, missing values, values out of range."""
    yield _Part.of(traffic.faults, traffic.requests, traffic.requests)
    yield _Part.of(traffic.approved, traffic.rows, traffic.applications)
    yield _Part.of(traffic.missing, traffic.cells, traffic.applications)
    yield _Part.of(traffic.out_of_range, traffic.cells, traffic.applications)


def _restarts(health: Health, limits: Judgement) -> Finding:
    worse = health.restarts > limits.restarts
    sentence = f"its pods restarted {health.restarts} times{f': {health.reason}' if health.reason else ''}"
    outcome = Outcome.worse if worse else Outcome.fine
    return Finding("restarts", 0, health.restarts, limits.restarts, 0.0 if worse else 1.0, outcome, sentence)


def _errors(stable: _Part, canary: _Part, limit: float) -> _Test:
    p_value = _fisher(canary.counts, stable.counts, "greater")
    sentence = f"{canary.share:.1%} of its requests fail, of stable's {stable.share:.1%}"
    limit += stable.share
    return _Test("errors", stable.share, canary.share, limit, p_value, canary.share > limit, sentence)


def _latency(stable: Histogram, canary: Histogram, share: float, ratio: float, margin: float) -> _Test:
    """Whether more of the canary's requests than `1 - share`, and than of stable's, exceed its quantile by too much.

    The first is a binomial test; the second Fisher's, since of few requests stable's quantile is a guess.
    """
    a, b, name = stable.quantile(share), canary.quantile(share), f"p{share * 100:.0f}"
    # A pod with little to do answers later than a busy one, so that small differences say nothing of the version.
    limit, p_value = max(a * ratio, a + margin), 1.0
    if stable.total and canary.total:
        slow, quick = _split(canary, limit)
        p_value = max(
            float(stats.binomtest(slow, slow + quick, 1 - share, "greater").pvalue),
            _fisher((slow, quick), _split(stable, limit), "greater"),
        )
    sentence = f"its {name} is {b * 1000:.2f} ms, stable's {a * 1000:.2f} ms"
    return _Test(f"{name} seconds", a, b, limit, p_value, b > limit, sentence)


def _psi(stable: Traffic, canary: Traffic, limits: Judgement) -> _Test:
    """The population stability index of the scores.

    Of two samples of one distribution it is, times n m / (n + m), chi-squared with one degree of freedom less than
    bins (Yurdakul, Statistical Properties of the Population Stability Index, 2018): so its critical value follows.
    With few values in a bin it passes that several times too often, so the probability is Pearson's, which does not.
    """
    a, b = _bins(stable, canary)
    if len(a) < 2:
        return _Test("scores (PSI)", 0, 0, limits.psi, 1.0, False, "")
    psi = stability_index(a, b)
    critical = float(stats.chi2.isf(limits.significance, len(a) - 1) * (1 / a.sum() + 1 / b.sum()))
    limit = max(limits.psi, critical)
    p_value = float(stats.chi2_contingency([a, b]).pvalue)
    sentence = f"its scores are distributed differently: PSI {psi:.2f}, of which chance explains {critical:.2f}"
    return _Test("scores (PSI)", 0, psi, limit, p_value, psi > limit, sentence)


def _bins(stable: Traffic, canary: Traffic) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both histograms in common bins, neighbours merged until each has enough if the two are alike."""
    histograms = (stable.scores, canary.scores)
    units = np.array([stable.applications, canary.applications])
    if not (units.all() and all(each.total for each in histograms) and stable.scores.bounds == canary.scores.bounds):
        return np.empty(0), np.empty(0)
    counts = np.array([each.counts for each in histograms])
    counts *= (units / counts.sum(axis=1))[:, None]
    merged = merged_bins(counts, units)
    return merged[0], merged[1]


def _shift(check: str, words: str, stable: _Part, canary: _Part, limit: float) -> _Test:
    p_value = _fisher(canary.counts, stable.counts, "two-sided")
    sentence = f"it {words.format(f'{canary.share:.1%}')}, stable {stable.share:.1%}"
    beyond = abs(stable.share - canary.share) > limit
    return _Test(check, stable.share, canary.share, stable.share + limit, p_value, beyond, sentence)


def _fisher(one: tuple[int, int], other: tuple[int, int], alternative: str) -> float:
    """Fisher's exact test of two proportions: unlike a z-test it holds for the first few, and for what is rare."""
    return float(stats.fisher_exact([one, other], alternative=alternative).pvalue)


def _split(seconds: Histogram, limit: float) -> tuple[int, int]:
    """How many are slower than the limit, and how many are not."""
    slow = round(seconds.above(limit))
    return slow, max(0, round(seconds.total) - slow)
