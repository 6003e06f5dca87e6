"""Counters of what was asked and answered, exposed to Prometheus.

They are plain numbers under one lock, not prometheus_client's objects. What a request leaves is put on a list, which is
counted when it has become long or is read: 0.5 us a request, where numpy takes 5 us to count one row and 10 to count
five hundred.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from threading import Lock

import numpy as np
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from model_server.counts import SCORES, SECONDS, Counts, Exemplar, Histogram, State, exposed, grow
from model_server.signature import Findings
from tabular_model.model import Scores
from tabular_model.schema import Column

RESULTS = ("written", "failed", "full")  # of a row that was to be logged
UNCOUNTED = 500  # requests that wait to be counted, at most
SMALL = 1000  # rows of a request that may wait, at most: 16 kB


class Metrics(Collector):
    """One process's numbers; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._answered: dict[tuple[str, str, str], list[float]] = defaultdict(list)  # seconds, not yet counted
        self._scored: dict[str, list[Scores]] = defaultdict(list)  # not yet counted
        self._width: dict[str, int] = {}
        self._counts = Counts(log_rows=dict.fromkeys(RESULTS, 0), record_rows=dict.fromkeys(RESULTS, 0))
        self.state = State()
        self._registry = CollectorRegistry()
        self._registry.register(self)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    def expose(self, other: Collector) -> None:
        """Exposes the metrics of another collector too."""
        self._registry.register(other)

    def request(self, protocol: str, version: str, status: str, seconds: float, trace_id: str = "") -> None:
        """One answered request; `version` is empty where none was reached, `trace_id` where it was not sampled."""
        with self._lock:
            answered = self._answered[protocol, version, status]
            answered.append(seconds)
            if trace_id:
                self._seconds(protocol, version).keep(Exemplar(trace_id, seconds, time.time()), SECONDS)
            if len(answered) >= UNCOUNTED:
                self._count()

    def shed(self, what: str) -> None:
        """One request (by its protocol) or connection refused because there were too many."""
        with self._lock:
            grow(self._counts.shed, what)

    def logged(self, result: str, rows: int) -> None:
        """Rows for the prediction log that were written, failed, or were dropped because it was full."""
        with self._lock:
            grow(self._counts.log_rows, result, rows)

    def recorded(self, result: str, rows: int) -> None:
        """The same for the record of decisions."""
        with self._lock:
            grow(self._counts.record_rows, result, rows)

    def scored(self, version: str, columns: tuple[Column, ...], scores: Scores, findings: Findings | None) -> None:
        """One scored request."""
        with self._lock:
            if version not in self._width:
                self._begin(version, columns)
            scored = self._scored[version]
            scored.append(scores)
            if len(scored) >= UNCOUNTED or len(scores.decision) > SMALL:
                self._count()
            if findings:
                for counted, found in (
                    (self._counts.missing, findings.missing),
                    (self._counts.out_of_range, findings.out_of_range),
                    (self._counts.unknown, findings.unknown),
                ):
                    for column, values in found.items():
                        grow(counted, (version, column), values)

    def _begin(self, version: str, columns: tuple[Column, ...]) -> None:
        """Every column's counts begin at 0, so that a first odd value is seen as a rise; the lock is held."""
        self._width[version] = len(columns)
        for column in columns:
            grow(self._counts.missing, (version, column.name), 0)
            grow(self._counts.out_of_range, (version, column.name), 0)
            if column.type == "category":
                grow(self._counts.unknown, (version, column.name), 0)

    def _count(self) -> None:
        """Counts what is on the lists and empties them; the lock is held."""
        counts = self._counts
        for (protocol, version, status), seconds in self._answered.items():
            grow(counts.requests, (protocol, version, status), len(seconds))
            self._seconds(protocol, version).observe(np.array(seconds), SECONDS)
        for version, scored in self._scored.items():
            probabilities = np.concatenate([scores.probability for scores in scored])
            grow(counts.rows, version, len(probabilities))
            grow(counts.values, version, len(probabilities) * self._width[version])
            grow(counts.approved, version, int(np.concatenate([scores.decision for scores in scored]).sum()))
            counts.scores.setdefault(version, Histogram.empty(SCORES)).observe(probabilities, SCORES)
        self._answered.clear()
        self._scored.clear()

    def _seconds(self, protocol: str, version: str) -> Histogram:
        """The lock is held."""
        return self._counts.seconds.setdefault((protocol, version), Histogram.empty(SECONDS))

    def counts(self) -> Counts:
        """A copy of all that was counted until now."""
        copy = Counts()
        with self._lock:
            self._count()
            copy.add(self._counts)
        return copy

    def exposition(self, openmetrics: bool = False) -> bytes:
        """The metrics as Prometheus reads them, with those of the process; exemplars are in OpenMetrics only."""
        return exposed(self._registry, openmetrics)

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client for an exposition; counts first what is not yet counted."""
        yield from self.counts().families()
        yield from self.state.families()
