"""A sample of the predictions, as CloudEvents to a file or an HTTP sink, without holding up a request.

What the sink cannot take in time is dropped and counted; protected columns are left out unless asked for.
CloudEvents 1.0, JSON format: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
Its extension for traces: https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/distributed-tracing.md
"""

import threading
import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

import httpx2
import msgspec
import numpy as np
import structlog
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from model_server.metrics import Metrics
from model_server.settings import PredictionLogSettings
from tabular_model.decisions.made import Decided, Made, Refused, without_protected
from tabular_model.model import Scores
from tabular_model.schema import Column

log = structlog.get_logger(__name__)

T = TypeVar("T")

WAITING_ROWS = 10_000  # what may wait for the sink
SINK_SECONDS = 5.0
STOP_SECONDS = 2.0
TYPE = "loan_model.prediction"
REFUSED = "loan_model.refusal"


class Event(msgspec.Struct, kw_only=True, frozen=True):
    """One request and its answer, in the envelope of CloudEvents; `subject` is the id of the request.

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


class PredictionLog:
    """Takes scored rows from any thread, and writes them in one of its own.

    `share` of the rows, 0 to 1, is chosen by chance, each row by itself; of refused requests, if `with_refused`, each
    request.
    """

    def __init__(
        self, sink: Sink, name: str, share: float, protected: bool, metrics: Metrics, with_refused: bool = False
    ) -> None:
        self._sink = sink
        self._name = name
        self._share = share
        self._protected = protected
        self._metrics = metrics
        self._with_refused = with_refused
        self._queue: SimpleQueue[Made | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._failing = False
        self._random = np.random.default_rng()
        self._thread = threading.Thread(target=self._write, name="prediction-log", daemon=True)
        self._thread.start()

    @classmethod
    def to(cls, target: str, name: str, settings: PredictionLogSettings, metrics: Metrics) -> "PredictionLog":
        """`target` is a path, or the URL of an HTTP sink; `name` is that of the model, if not the version's."""
        sink: Sink = HttpSink(target) if target.startswith(("http://", "https://")) else FileSink(Path(target))
        return cls(sink, name, settings.log_share, settings.log_protected, metrics, settings.log_refused)

    def offer(self, decided: Decided) -> None:
        """Never waits for the sink."""
        chosen = self._chosen(decided)
        if chosen is not None:
            scores = decided.scores
            self._queue.put(
                decided._replace(
                    ids=_of(decided.ids, chosen),
                    matrix=decided.matrix[chosen],
                    scores=Scores(scores.probability[chosen], scores.decision[chosen]),
                    reasons=_of(decided.reasons, chosen),
                )
            )

    def refuse(self, refused: Refused) -> None:
        """The same for a request that got no decision, if such are to be logged."""
        if self._with_refused and self._chosen(refused) is not None:
            self._queue.put(refused)

    def _chosen(self, made: Made) -> NDArray[np.bool_] | None:
        """Which rows are logged; None if none is, or there is no room for them."""
        with self._lock:
            chosen: NDArray[np.bool_] = self._random.random(made.rows) < self._share
            count = int(np.count_nonzero(chosen))
            if self._waiting + count > WAITING_ROWS:
                self._metrics.logged("full", count)
                return None
            self._waiting += count
        return chosen if count else None

    def stop(self) -> None:
        """Writes what waits, for a short time."""
        self._queue.put(None)
        self._thread.join(STOP_SECONDS)

    def _write(self) -> None:
        while made := self._queue.get():
            count = made.rows
            try:
                self._sink.write(msgspec.json.encode(self._event(made)), made.traceparent)
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

    def _event(self, made: Made) -> Event:
        name = self._name or made.manifest.model
        refused = isinstance(made, Refused)
        return Event(
            id=str(uuid.uuid4()),
            source=f"/v2/models/{name}/versions/{made.manifest.version}",
            type=REFUSED if refused else TYPE,
            subject=made.request_id or UNSET,
            traceparent=made.traceparent or UNSET,
            time=made.time,
            data={
                "model_name": name,
                "model_version": made.manifest.version,
                **(self._refusal(made) if isinstance(made, Refused) else self._decision(made)),
            },
        )

    def _decision(self, decided: Decided) -> dict[str, Any]:
        masked = () if self._protected else decided.manifest.protected
        columns = [(index, each) for index, each in enumerate(decided.manifest.schema) if each.name not in masked]
        rows = [{each.name: _written(each, row[i]) for i, each in columns} for row in decided.matrix.tolist()]
        data: dict[str, Any] = {
            "applications": rows,
            "masked": masked,
            "probabilities": decided.scores.probability.tolist(),
            "decisions": decided.scores.decision.tolist(),
        }
        if decided.ids:
            data["ids"] = decided.ids
        if decided.reasons:
            data["reason_codes"] = [[code for code in codes if code] for codes in decided.reasons]
        return data

    def _refusal(self, refused: Refused) -> dict[str, Any]:
        why = refused.why if self._protected else without_protected(refused.why, refused.manifest)
        return {"status": refused.status, "error": why}


def _of(values: Sequence[T] | None, chosen: NDArray[np.bool_]) -> list[T] | None:
    return None if values is None else [value for value, kept in zip(values, chosen.tolist(), strict=True) if kept]


def _written(column: Column, value: float) -> float | str | None:
    """A value as it may be sent again: a level by its name."""
    if np.isnan(value):
        return None
    return column.levels[int(value)] if column.type == "category" else value
