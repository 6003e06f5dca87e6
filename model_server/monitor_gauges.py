"""The gauges that `loan monitor` keeps beside its history, exposed with the server's own.

One thread reads them, of the process that answers for all its workers; a scrape gets what was read last. A text that is
not wholly what a monitor writes is not exposed: one wrong line would cost a scrape all metrics of the server.
"""

import re
import threading
from collections.abc import Iterator
from typing import Protocol

import structlog
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from model_server.settings import MonitorSettings
from tabular_model.errors import ModelError, RegistryNotFound
from tabular_model.monitor_history import GAUGES, PREFIX, open_history
from tabular_model.storage import without_secrets

log = structlog.get_logger(__name__)

READ_SECONDS = 60.0
STOP_SECONDS = 1.0
MOST_BYTES = 2**20
RESULTS = ("read", "absent", "failed")
_NAME = re.compile(f"{PREFIX}[a-z_]+")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")


class Unusable(ModelError):
    """The text is not what a monitor writes."""


class Exposing(Protocol):
    """What answers a scrape."""

    def expose(self, other: Collector) -> None:
        """Exposes the metrics of another collector too."""


class MonitorGauges(Collector):
    """Reads at once and then every minute; what was read stays until something better is."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._gauges: list[Metric] = []
        self._results = dict.fromkeys(RESULTS, 0)
        self._failing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor-gauges", daemon=True)
        self._thread.start()

    @classmethod
    def of(cls, settings: MonitorSettings, exposing: Exposing) -> "MonitorGauges | None":
        """Those of the history that the settings name, exposed from now on; None where they name none."""
        if not settings.monitor_history:
            return None
        gauges = cls(settings.monitor_history)
        exposing.expose(gauges)
        return gauges

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client for an exposition."""
        yield from self._gauges
        reads = CounterMetricFamily("loan_history_reads", "Readings of the monitor's gauges", labels=["result"])
        for result, count in self._results.items():
            reads.add_metric([result], count)
        yield reads

    def stop(self) -> None:
        """Ends the thread, unless the store holds it up."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while True:
            self._results[self._read()] += 1
            if self._stopping.wait(READ_SECONDS):
                return

    def _read(self) -> str:
        """The result; what fails is said once, not each minute."""
        try:
            self._gauges, result = parsed(open_history(self._url).read(GAUGES)), "read"
        except (FileNotFoundError, RegistryNotFound):  # before the first window
            result = "absent"
        except Exception as error:  # a thread that ends would expose the last gauges for ever
            if not self._failing:
                log.error("the monitor's gauges are not read", history=without_secrets(self._url), error=str(error))
            result = "failed"
        self._failing = result == "failed"
        return result


def parsed(content: bytes) -> list[Metric]:
    """The gauges of a text in Prometheus' format; Unusable if any line of it is not one of a monitor's."""
    if len(content) > MOST_BYTES:
        raise Unusable(f"{GAUGES} has {len(content)} bytes, more than the {MOST_BYTES} that gauges may have.")
    try:
        families = list(text_string_to_metric_families(content.decode()))
        for family in families:
            family.samples = [sample._replace(value=float(sample.value)) for sample in family.samples]
    except (ValueError, IndexError, OverflowError) as error:
        raise Unusable(f"{GAUGES} is not in Prometheus' text format: {error}.") from error
    if not families:
        raise Unusable(f"{GAUGES} has no gauges.")
    for family in families:
        if family.type != "gauge" or not _NAME.fullmatch(family.name):
            raise Unusable(f"{GAUGES} has the {family.type} {family.name}, which is no gauge of a monitor.")
    samples = [sample for family in families for sample in family.samples]
    series = {(sample.name, *sorted(sample.labels.items())) for sample in samples}
    if len({family.name for family in families}) < len(families) or len(series) < len(samples):
        raise Unusable(f"{GAUGES} has a gauge twice.")
    for sample in samples:
        if sample.timestamp is not None or not all(map(_LABEL.fullmatch, sample.labels)):
            raise Unusable(f"{GAUGES} has a line of {sample.name} that a monitor does not write.")
    return families
