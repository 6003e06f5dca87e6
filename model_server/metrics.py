"""Counters of what was asked and answered, exposed to Prometheus.

They are plain numbers under one lock, not prometheus_client's objects. What a request leaves is put on a list, which is
counted when it has become long or is read: 0.5 us a request, where numpy takes 5 us to count one row and 10 to count
five hundred.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from loan_model.model import Scores
from loan_model.schema import Column
from loan_model.scorer import Vector
from model_server.signature import Findings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = np.array(
    [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
)
SCORES = np.linspace(0.05, 1, 20).round(2)
UNCOUNTED = 500  # requests that wait to be counted, at most
SMALL = 1000  # rows of a request that may wait, at most: 16 kB


class _Histogram:
    """Counts by bucket; the last bucket is what is above every bound."""

    def __init__(self, bounds: NDArray[np.float64]) -> None:
        self._bounds = bounds
        self._counts = np.zeros(len(bounds) + 1, dtype=np.int64)
        self._sum = 0.0

    def observe(self, values: Vector) -> None:
        places = np.searchsorted(self._bounds, values)
        self._counts += np.bincount(places, minlength=len(self._counts))
        self._sum += float(values.sum())

    def add_to(self, family: HistogramMetricFamily, labels: list[str]) -> None:
        totals = self._counts.cumsum()
        bounds = [*map(str, self._bounds), "+Inf"]
        family.add_metric(labels, list(zip(bounds, totals, strict=True)), self._sum)


class Metrics(Collector):
    """One server's numbers; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._answered: dict[tuple[str, str, str], list[float]] = defaultdict(list)  # seconds, not yet counted
        self._scored: dict[str, list[Scores]] = defaultdict(list)  # not yet counted
        self._requests: dict[tuple[str, str, str], int] = defaultdict(int)
        self._seconds: dict[tuple[str, str], _Histogram] = defaultdict(lambda: _Histogram(SECONDS))
        self._scores: dict[str, _Histogram] = defaultdict(lambda: _Histogram(SCORES))
        self._rows: dict[str, int] = defaultdict(int)
        self._approved: dict[str, int] = defaultdict(int)
        self._missing: dict[tuple[str, str], int] = defaultdict(int)
        self._out_of_range: dict[tuple[str, str], int] = defaultdict(int)
        self._shed: dict[str, int] = defaultdict(int)
        self.ready: dict[str, bool] = {}
        self.log_rows = dict.fromkeys(("written", "failed", "full"), 0)
        self.registry_reachable = True
        self._registry = CollectorRegistry()
        self._registry.register(self)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    def request(self, protocol: str, version: str, status: str, seconds: float) -> None:
        """One answered request; `version` is empty where none was reached."""
        with self._lock:
            answered = self._answered[protocol, version, status]
            answered.append(seconds)
            if len(answered) >= UNCOUNTED:
                self._count()

    def shed(self, what: str) -> None:
        """One request (by its protocol) or connection refused because there were too many."""
        with self._lock:
            self._shed[what] += 1

    def scored(self, version: str, columns: tuple[Column, ...], scores: Scores, findings: Findings | None) -> None:
        """One scored request."""
        with self._lock:
            scored = self._scored[version]
            scored.append(scores)
            if len(scored) >= UNCOUNTED or len(scores.decision) > SMALL:
                self._count()
            if findings:
                for column, missing, outside in zip(columns, *findings, strict=True):
                    self._missing[version, column.name] += int(missing)
                    self._out_of_range[version, column.name] += int(outside)

    def _count(self) -> None:
        """Counts what is on the lists and empties them; the lock is held."""
        for (protocol, version, status), seconds in self._answered.items():
            self._requests[protocol, version, status] += len(seconds)
            self._seconds[protocol, version].observe(np.array(seconds))
        for version, scored in self._scored.items():
            probabilities = np.concatenate([scores.probability for scores in scored])
            self._rows[version] += len(probabilities)
            self._approved[version] += sum(int(scores.decision.sum()) for scores in scored)
            self._scores[version].observe(probabilities)
        self._answered.clear()
        self._scored.clear()

    def exposition(self) -> bytes:
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            self._count()
            yield from (
                _counter("loan_requests", "Requests answered", ["protocol", "version", "status"], self._requests),
                _counter("loan_shed_requests", "Requests refused as too many", ["what"], self._shed),
                _counter("loan_rows", "Applications scored", ["version"], self._rows),
                _counter("loan_approved_rows", "Applications approved", ["version"], self._approved),
                _counter("loan_missing_values", "Missing values", ["version", "column"], self._missing),
                _counter(
                    "loan_out_of_range_values",
                    "Values outside the schema's range",
                    ["version", "column"],
                    self._out_of_range,
                ),
                _histogram("loan_request_seconds", "Time to answer a request", ["protocol", "version"], self._seconds),
                _histogram("loan_score", "Probability of approval", ["version"], self._scores),
                _counter(
                    "loan_log_rows", "Rows for the prediction log, by what came of them", ["result"], self.log_rows
                ),
                _gauge("loan_model_ready", "1 when the model can be asked", ["model"], self.ready),
                GaugeMetricFamily(
                    "loan_registry_reachable", "1 while the registry can be used", value=self.registry_reachable
                ),
            )


def _labels(key: Any) -> list[str]:
    return [key] if isinstance(key, str) else list(key)


def _counter(name: str, help_text: str, labels: list[str], values: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=labels)
    for key, value in values.items():
        family.add_metric(_labels(key), value)
    return family


def _gauge(name: str, help_text: str, labels: list[str], values: Mapping[Any, bool]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=labels)
    for key, value in values.items():
        family.add_metric(_labels(key), value)
    return family


def _histogram(name: str, help_text: str, labels: list[str], values: Mapping[Any, _Histogram]) -> Metric:
    family = HistogramMetricFamily(name, help_text, labels=labels)
    for key, histogram in values.items():
        histogram.add_to(family, _labels(key))
    return family
