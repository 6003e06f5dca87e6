"""Is the canary worse than stable? Each check compares what both did over the same window.

A check says `worse` when the difference is beyond chance (at `significance`) and beyond its threshold, at any number of
requests; `fine` only once both versions have answered enough of them; and `unsure` until then. Traffic is shared at
random, so that in a check any other difference than the version's own is chance.
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

_Part = tuple[float, float]  # so many of so many

FEWEST_PER_BIN = 5  # below this a chi-squared approximation, as PSI's critical value, does not hold
EMPTY_BIN = 0.5  # what an empty bin counts as, since PSI takes logarithms


class Outcome(StrEnum):
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


class _Test(NamedTuple):
    """`beyond`: the difference is more than the threshold allows."""

    check: str
    stable: float
    canary: float
    limit: float
    p_value: float
    beyond: bool
    sentence: str


def judge(stable: Traffic, canary: Traffic, health: Health, limits: Judgement) -> Judged:
    """What the canary's traffic and pods say against it, or for it."""
    enough = min(stable.requests, canary.requests) >= limits.min_requests
    findings = [_restarts(health, limits)]
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
    yield _errors(stable, canary, limits.error_ratio)
    yield _latency(stable.seconds, canary.seconds, 0.5, limits.p50_ratio)
    yield _latency(stable.seconds, canary.seconds, 0.99, limits.p99_ratio)
    yield _psi(stable.scores, canary.scores, limits)
    approved = (stable.approved, stable.rows), (canary.approved, canary.rows)
    missing = (stable.missing, stable.cells), (canary.missing, canary.cells)
    outside = (stable.out_of_range, stable.cells), (canary.out_of_range, canary.cells)
    yield _shift("approvals", "approves {} of its applications", *approved, limits.approval_shift)
    yield _shift("missing", "misses {} of its values", *missing, limits.missing_shift)
    yield _shift("out of range", "finds {} of its values out of range", *outside, limits.out_of_range_shift)


def _restarts(health: Health, limits: Judgement) -> Finding:
    worse = health.restarts > limits.restarts
    sentence = f"its pods were restarted {health.restarts} times{f': {health.reason}' if health.reason else ''}"
    outcome = Outcome.worse if worse else Outcome.fine
    return Finding("restarts", 0, health.restarts, limits.restarts, 0.0 if worse else 1.0, outcome, sentence)


def _errors(stable: Traffic, canary: Traffic, limit: float) -> _Test:
    """Fisher's exact test, one-sided: it holds for the first few requests too."""
    table = [
        [round(canary.faults), round(canary.requests - canary.faults)],
        [round(stable.faults), round(stable.requests - stable.faults)],
    ]
    p_value = float(stats.fisher_exact(table, alternative="greater").pvalue)
    a, b = _share(stable.faults, stable.requests), _share(canary.faults, canary.requests)
    sentence = f"{b:.1%} of its requests fail, of stable's {a:.1%}"
    return _Test("errors", a, b, a + limit, p_value, b > a + limit, sentence)


def _latency(stable: Histogram, canary: Histogram, share: float, ratio: float) -> _Test:
    """Whether more of the canary's requests than `1 - share` take longer than `ratio` times stable's quantile."""
    limit = stable.quantile(share) * ratio
    slow, total = round(canary.above(limit)), round(canary.total)
    known = bool(total and stable.total)
    p_value = float(stats.binomtest(slow, total, 1 - share, "greater").pvalue) if known else 1.0
    a, b, name = stable.quantile(share), canary.quantile(share), f"p{share * 100:.0f}"
    sentence = f"its {name} is {b * 1000:.2f} ms, stable's {a * 1000:.2f} ms"
    return _Test(f"{name} seconds", a, b, limit, p_value, known and b > limit, sentence)


def _psi(stable: Histogram, canary: Histogram, limits: Judgement) -> _Test:
    """The population stability index of the scores.

    Of two samples of one distribution it is, times n m / (n + m), chi-squared with one degree of freedom less than
    bins (Yurdakul, Statistical Properties of the Population Stability Index, 2018): so its critical value follows.
    """
    a, b = _bins(stable, canary)
    n, m = a.sum(), b.sum()
    if len(a) < 2:
        return _Test("scores (PSI)", 0, 0, limits.psi, 1.0, False, "")
    p, q = a / n, b / m
    psi = float(((p - q) * np.log(p / q)).sum())
    scale = 1 / n + 1 / m
    critical = float(stats.chi2.isf(limits.significance, len(a) - 1) * scale)
    sentence = f"its scores are distributed otherwise: PSI {psi:.2f}, of which chance explains {critical:.2f}"
    limit = max(limits.psi, critical)
    return _Test("scores (PSI)", 0, psi, limit, float(stats.chi2.sf(psi / scale, len(a) - 1)), psi > limit, sentence)


def _bins(stable: Histogram, canary: Histogram) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both histograms in common bins, neighbours merged until each has enough if the two are alike."""
    if not (stable.total and canary.total and stable.bounds == canary.bounds):
        return np.empty(0), np.empty(0)
    counts = np.array([stable.counts, canary.counts])
    totals = counts.sum(axis=1)
    needed = FEWEST_PER_BIN * totals.sum() / totals.min()
    pooled = counts.sum(axis=0)
    starts, held = [0], 0.0
    for place, count in enumerate(pooled):
        held += count
        if held >= needed and pooled[place + 1 :].sum() >= needed:
            starts.append(place + 1)
            held = 0.0
    merged = np.add.reduceat(counts, starts, axis=1)
    return np.maximum(merged[0], EMPTY_BIN), np.maximum(merged[1], EMPTY_BIN)


def _shift(check: str, words: str, stable: _Part, canary: _Part, limit: float) -> _Test:
    """Two proportions: the pooled two-sided z-test."""
    (k, n), (x, m) = stable, canary
    a, b = _share(k, n), _share(x, m)
    pooled = _share(k + x, n + m)
    error = (pooled * (1 - pooled) * (1 / n + 1 / m)) ** 0.5 if n and m else 0.0
    p_value = float(2 * stats.norm.sf(abs(a - b) / error)) if error else 1.0
    sentence = f"it {words.format(f'{b:.1%}')}, stable {a:.1%}"
    return _Test(check, a, b, a + limit, p_value, abs(a - b) > limit, sentence)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
