"""What a server has counted, in a form that can be sent and added up over processes, and exposed to Prometheus."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, generate_latest, samples
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
SECONDS = np.array(
    [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
)
SCORES = np.linspace(0.05, 1, 20).round(2)

Bounds = NDArray[np.float64]
Bucket = tuple[str, float] | tuple[str, float, samples.Exemplar]
Key = TypeVar("Key")


class Exemplar(msgspec.Struct, frozen=True):
    """One observed value, the trace that it was observed in, and when, in seconds of `time.time`."""

    trace_id: str
    value: float
    time: float


class Histogram(msgspec.Struct):
    """Counts by bucket; the last bucket is what is above every bound. Of each bucket the newest exemplar is kept."""

    counts: list[int]
    sum: float = 0.0
    exemplars: dict[int, Exemplar] = {}

    @classmethod
    def empty(cls, bounds: Bounds) -> "Histogram":
        """One without observations; `bounds` are the buckets' highest values, ascending."""
        return cls([0] * (len(bounds) + 1))

    def observe(self, values: NDArray[np.float64], bounds: Bounds) -> None:
        """Counts values, in the unit of `bounds`, which are those of `empty`."""
        places = np.searchsorted(bounds, values)
        self.counts = (np.array(self.counts) + np.bincount(places, minlength=len(self.counts))).tolist()
        self.sum += float(values.sum())

    def keep(self, exemplar: Exemplar, bounds: Bounds) -> None:
        """Keeps an exemplar for its bucket, unless a newer one is there; its value is not counted."""
        self._keep(int(np.searchsorted(bounds, exemplar.value)), exemplar)

    def add(self, other: "Histogram") -> None:
        """Adds the counts of another with the same bounds; of two exemplars of a bucket the newer is kept."""
        self.counts = [ours + theirs for ours, theirs in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum
        for bucket, exemplar in other.exemplars.items():
            self._keep(bucket, exemplar)

    def copy(self) -> "Histogram":
        """A copy that does not change when this one does."""
        return Histogram(list(self.counts), self.sum, dict(self.exemplars))

    def _keep(self, bucket: int, exemplar: Exemplar) -> None:
        kept = self.exemplars.get(bucket)
        if kept is None or kept.time <= exemplar.time:
            self.exemplars[bucket] = exemplar


class Counts(msgspec.Struct):
    """Numbers that only grow. Keys are the labels' values."""

    requests: dict[tuple[str, str, str], int] = {}
    shed: dict[str, int] = {}
    rows: dict[str, int] = {}
    approved: dict[str, int] = {}
    values: dict[str, int] = {}
    missing: dict[tuple[str, str], int] = {}
    out_of_range: dict[tuple[str, str], int] = {}
    unknown: dict[tuple[str, str], int] = {}
    log_rows: dict[str, int] = {}
    record_rows: dict[str, int] = {}
    seconds: dict[tuple[str, str], Histogram] = {}
    scores: dict[str, Histogram] = {}

    def add(self, other: "Counts") -> None:
        """Adds another's numbers; its histograms are copied, so that it may go on counting."""
        for name in self.__struct_fields__:
            ours, theirs = getattr(self, name), getattr(other, name)
            for key, value in theirs.items():
                if not isinstance(value, Histogram):
                    grow(ours, key, value)
                elif key in ours:
                    ours[key].add(value)
                else:
                    ours[key] = value.copy()

    def families(self) -> Iterator[Metric]:
        """All metrics, also those without a count yet; prometheus_client adds `_total` to the names of counters."""
        yield _counter("loan_requests", "Requests answered", ["protocol", "version", "status"], self.requests)
        yield _counter("loan_shed_requests", "Requests rejected because of overload", ["what"], self.shed)
        yield _counter("loan_rows", "Applications scored", ["version"], self.rows)
        yield _counter("loan_approved_rows", "Applications approved", ["version"], self.approved)
        yield _counter("loan_values", "Values in the applications, present or missing", ["version"], self.values)
        yield _counter("loan_missing_values", "Missing values", ["version", "column"], self.missing)
        odd = "Values outside the schema's range"
        yield _counter("loan_out_of_range_values", odd, ["version", "column"], self.out_of_range)
        strange = "Values that are not a level of their category"
        yield _counter("loan_unknown_levels", strange, ["version", "column"], self.unknown)
        answered = "Time to answer a request"
        yield _histogram("loan_request_seconds", answered, ["protocol", "version"], SECONDS, self.seconds)
        yield _histogram("loan_score", "Probability of approval", ["version"], SCORES, self.scores)
        logged = "Rows for the prediction log, by result"
        yield _counter("loan_log_rows", logged, ["result"], self.log_rows)
        recorded = "Rows for the record of decisions, by result"
        yield _counter("loan_record_rows", recorded, ["result"], self.record_rows)


class State(msgspec.Struct):
    """The current state: which models are ready, and whether the registry is reachable."""

    ready: dict[str, bool] = {}
    passed: dict[str, bool] = {}
    registry_reachable: bool = True

    def families(self) -> Iterator[Metric]:
        """Gauges of 1 or 0, for each model or for the server."""
        ready = GaugeMetricFamily("loan_model_ready", "1 when the model is ready", labels=["model"])
        for model, is_ready in self.ready.items():
            ready.add_metric([model], is_ready)
        yield ready
        passed = GaugeMetricFamily(
            "loan_default_passed_gate", "1 when the default version passed the gate", labels=["model"]
        )
        for model, has_passed in self.passed.items():
            passed.add_metric([model], has_passed)
        yield passed
        reachable = "1 while the registry is reachable"
        yield GaugeMetricFamily("loan_registry_reachable", reachable, value=self.registry_reachable)


def exposed(registry: CollectorRegistry, as_openmetrics: bool) -> bytes:
    """The text that Prometheus reads; exemplars are in OpenMetrics alone."""
    if not as_openmetrics:
        return generate_latest(registry)
    text: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
    return text


def grow(values: dict[Key, int], key: Key, by: int = 1) -> None:
    """Adds `by` to the count of `key`, which begins at 0; 0 makes the key known to Prometheus."""
    values[key] = values.get(key, 0) + by


def _labels(key: Any) -> list[str]:
    return [key] if isinstance(key, str) else list(key)


def _counter(name: str, help_text: str, labels: list[str], values: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=labels)
    for key, value in values.items():
        family.add_metric(_labels(key), value)
    return family


def _histogram(name: str, help_text: str, labels: list[str], bounds: Bounds, values: Mapping[Any, Histogram]) -> Metric:
    family = HistogramMetricFamily(name, help_text, labels=labels)
    edges = [*map(str, bounds), "+Inf"]
    for key, histogram in values.items():
        buckets: list[Bucket] = list(zip(edges, accumulate(histogram.counts), strict=True))
        for place, kept in histogram.exemplars.items():
            exemplar = samples.Exemplar({"trace_id": kept.trace_id}, kept.value, kept.time)
            buckets[place] = (*buckets[place][:2], exemplar)
        family.add_metric(_labels(key), buckets, histogram.sum)
    return family
