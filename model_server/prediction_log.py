"""A sample of the predictions, as CloudEvents to a file or an HTTP sink, without holding up a request.

What the sink cannot take in time is dropped and counted; protected columns are left out unless asked for.
CloudEvents 1.0, JSON format: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
Its extension for traces: https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/distributed-tracing.md
"""

import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple, Protocol

import httpx2
import msgspec
import numpy as np
import structlog
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from model_server.metrics import Metrics
from tabular_model.manifest import Manifest
from tabular_model.model import Scores
from tabular_model.schema import Column
from tabular_model.scoring.scorer import Matrix

log = structlog.get_logger(__name__)

WAITING_ROWS = 10_000  # what may wait for the sink
SINK_SECONDS = 5.0
STOP_SECONDS = 2.0
TYPE = "loan_model.prediction"


class Event(msgspec.Struct, kw_only=True, frozen=True):
    """One request, in the envelope of CloudEvents; `subject` is the caller's id of the request.

    `traceparent` is the trace that it belongs to, by W3C Trace Context.
    """

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: str | UnsetType = UNSET
    traceparent: str | UnsetType = UNSET
    time: datetime
    datacontenttype: str = "application/json"
    data: dict[str, Any]


class Sink(Protocol):
    """Where events go, one after the other from one thread; an OSError or an error of httpx2 is counted as failed."""

    def write(self, event: bytes, traceparent: str) -> None:
        """Takes one event, of this trace if of any, or raises."""


class FileSink:
    """One event a line. The file is opened for each, so that it may be rotated."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, event: bytes, traceparent: str) -> None:  # noqa: ARG002 - the event has it too
        """Appends the event and a line break; OSError where the file cannot be written."""
        with self._path.open("ab") as file:
            file.write(event + b"\n")


class HttpSink:
    """One event a POST, in structured mode."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx2.Client(timeout=SINK_SECONDS, headers={"content-type": "application/cloudevents+json"})

    def write(self, event: bytes, traceparent: str) -> None:
        """Waits until the sink has answered; httpx2.HTTPError where it does not, or not with a status of 2xx."""
        headers = {"traceparent": traceparent} if traceparent else None
        self._client.post(self._url, content=event, headers=headers).raise_for_status()


class Scored(NamedTuple):
    """The chosen rows of one request."""

    id: str
    manifest: Manifest
    matrix: Matrix
    scores: Scores
    time: datetime
    traceparent: str


class PredictionLog:
    """Takes scored rows from any thread, and writes them in one of its own.

    `share` of the rows, 0 to 1, is chosen by chance, each row by itself.
    """

    def __init__(self, sink: Sink, name: str, share: float, protected: bool, metrics: Metrics) -> None:
        self._sink = sink
        self._name = name
        self._share = share
        self._protected = protected
        self._metrics = metrics
        self._queue: SimpleQueue[Scored | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._failing = False
        self._random = np.random.default_rng()
        self._thread = threading.Thread(target=self._write, name="prediction-log", daemon=True)
        self._thread.start()

    @classmethod
    def to(cls, target: str, name: str, share: float, protected: bool, metrics: Metrics) -> "PredictionLog":
        """`target` is a path, or the URL of an HTTP sink."""
        sink: Sink = HttpSink(target) if target.startswith(("http://", "https://")) else FileSink(Path(target))
        return cls(sink, name, share, protected, metrics)

    def offer(self, request_id: str, manifest: Manifest, matrix: Matrix, scores: Scores, traceparent: str = "") -> None:
        """Never waits for the sink."""
        with self._lock:
            chosen: NDArray[np.bool_] = self._random.random(len(matrix)) < self._share
            count = int(np.count_nonzero(chosen))
            if self._waiting + count > WAITING_ROWS:
                self._metrics.logged("full", count)
                return
            self._waiting += count
        if count:
            kept = Scores(scores.probability[chosen], scores.decision[chosen])
            self._queue.put(Scored(request_id, manifest, matrix[chosen], kept, datetime.now(UTC), traceparent))

    def stop(self) -> None:
        """Writes what waits, for a short time."""
        self._queue.put(None)
        self._thread.join(STOP_SECONDS)

    def _write(self) -> None:
        while scored := self._queue.get():
            count = len(scored.matrix)
            try:
                self._sink.write(msgspec.json.encode(self._event(scored)), scored.traceparent)
            except (OSError, httpx2.HTTPError, httpx2.InvalidURL) as error:
                result = "failed"
                if not self._failing:  # said once, not for every prediction
                    log.error("predictions are not logged", error=type(error).__name__)
            else:
                result = "written"
            self._failing = result == "failed"
            with self._lock:
                self._waiting -= count
                self._metrics.logged(result, count)

    def _event(self, scored: Scored) -> Event:
        name = self._name or scored.manifest.model
        masked = () if self._protected else scored.manifest.protected
        columns = [(index, each) for index, each in enumerate(scored.manifest.schema) if each.name not in masked]
        rows = [{each.name: _written(each, row[i]) for i, each in columns} for row in scored.matrix.tolist()]
        return Event(
            id=str(uuid.uuid4()),
            source=f"/v2/models/{name}/versions/{scored.manifest.version}",
            type=TYPE,
            subject=scored.id or UNSET,
            traceparent=scored.traceparent or UNSET,
            time=scored.time,
            data={
                "model_name": name,
                "model_version": scored.manifest.version,
                "applications": rows,
                "masked": masked,
                "probabilities": scored.scores.probability.tolist(),
                "decisions": scored.scores.decision.tolist(),
            },
        )


def _written(column: Column, value: float) -> float | str | None:
    """A value as it may be sent again: a level by its name."""
    if np.isnan(value):
        return None
    return column.levels[int(value)] if column.type == "category" else value
