"""What a version was asked and what it answered, counted over a window from the server's metrics."""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple, Protocol

import msgspec

# The server's own words for what is its fault; the chart's alert counts the same.
FAULT = re.compile(r"5\d\d|INTERNAL|UNAVAILABLE|UNKNOWN")
# What the server itself labels its series with; the other labels name a pod.
OWN_LABELS = frozenset({"protocol", "version", "status", "column", "le"})
METRICS = (
    "loan_requests_total",
    "loan_request_seconds_bucket",
    "loan_score_bucket",
    "loan_rows_total",
    "loan_values_total",
    "loan_approved_rows_total",
    "loan_missing_values_total",
    "loan_out_of_range_values_total",
)


class Series(NamedTuple):
    """One time series: a metric with its labels, of which some name the pod."""

    metric: str
    labels: frozenset[tuple[str, str]]

    def label(self, name: str) -> str:
        """The label's value; empty if the series has no such label."""
        return next((value for label, value in self.labels if label == name), "")

    @property
    def pod(self) -> frozenset[tuple[str, str]]:
        """The labels that the server did not set itself, which together identify the pod."""
        return frozenset(each for each in self.labels if each[0] not in OWN_LABELS)


Snapshot = Mapping[Series, float]


class Source(Protocol):
    """Where counters are read: all series of a version, those of pods that have just gone included.

    `ago` seconds back, if the source remembers; one that does not gives nothing, so that all that was counted counts.
    """

    def snapshot(self, version: str, ago: float = 0) -> Snapshot:
        """Each counter as it stood `ago` seconds ago, 0 being now; empty if the source keeps no past values."""


class Histogram(msgspec.Struct, frozen=True):
    """`counts[i]` values up to `bounds[i]` and above the bound before; the last bound is infinite."""

    bounds: tuple[float, ...] = ()
    counts: tuple[float, ...] = ()

    @property
    def total(self) -> float:
        """The number of values in all buckets; 0 without buckets."""
        return sum(self.counts)

    def quantile(self, share: float) -> float:
        """Where `share` of the values lie below, by linear interpolation as Prometheus's histogram_quantile does."""
        wanted, below, lower = share * self.total, 0.0, 0.0
        for bound, count in zip(self.bounds, self.counts, strict=True):
            if count and below + count >= wanted:
                return lower if bound == float("inf") else lower + (bound - lower) * (wanted - below) / count
            below += count
            lower = lower if bound == float("inf") else bound
        return lower

    def above(self, value: float) -> float:
        """How many values are above `value`, interpolated likewise."""
        found, lower = 0.0, 0.0
        for bound, count in zip(self.bounds, self.counts, strict=True):
            if lower >= value:
                found += count
            elif bound > value:
                found += 0 if bound == float("inf") else count * (bound - value) / (bound - lower)
            lower = bound
        return found


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one version over one window. `cells` are the values that its rows had or missed."""

    requests: float = 0
    faults: float = 0
    seconds: Histogram = Histogram()
    rows: float = 0
    approved: float = 0
    scores: Histogram = Histogram()
    cells: float = 0
    missing: float = 0
    out_of_range: float = 0

    @property
    def applications(self) -> float:
        """Rows that tell something of their own: those of one request resemble each other, and count once."""
        return min(self.rows, self.requests)

    @classmethod
    def between(cls, start: Snapshot, end: Snapshot) -> "Traffic":
        """What was counted from one snapshot to the next.

        A series that `start` lacks began at 0. Where one fell its pod was restarted, and all of the pod's began again.
        """
        restarted = {each.pod for each, value in end.items() if value < start.get(each, 0)}
        grown = {each: value - (0 if each.pod in restarted else start.get(each, 0)) for each, value in end.items()}
        requests = _only(grown, "loan_requests_total")
        return cls(
            requests=sum(requests.values()),
            faults=sum(value for each, value in requests.items() if FAULT.fullmatch(each.label("status"))),
            seconds=_histogram(_only(grown, "loan_request_seconds_bucket")),
            rows=_total(grown, "loan_rows_total"),
            approved=_total(grown, "loan_approved_rows_total"),
            scores=_histogram(_only(grown, "loan_score_bucket")),
            cells=_total(grown, "loan_values_total"),
            missing=_total(grown, "loan_missing_values_total"),
            out_of_range=_total(grown, "loan_out_of_range_values_total"),
        )


def _only(grown: Snapshot, metric: str) -> Snapshot:
    return {each: value for each, value in grown.items() if each.metric == metric}


def _total(grown: Snapshot, metric: str) -> float:
    return sum(_only(grown, metric).values())


def _histogram(buckets: Snapshot) -> Histogram:
    """Prometheus's cumulative buckets, added up over pods and made plain counts.

    They cannot fall unless a restarted pod has outgrown what it was at the start; such a bucket counts as empty.
    """
    up_to: dict[float, float] = {}
    for each, value in buckets.items():
        bound = float(each.label("le"))
        up_to[bound] = up_to.get(bound, 0) + value
    bounds = sorted(up_to)
    totals = [0.0, *(up_to[bound] for bound in bounds)]
    return Histogram(tuple(bounds), tuple(max(0.0, b - a) for a, b in pairwise(totals)))
