"""Predictions are logged as CloudEvents, sampled and masked, and never hold up a request."""

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import numpy as np
import pytest
from cloudevents.http import from_json

from loan_model.synthetic import LOAN
from model_server.metrics import Metrics
from model_server.prediction_log import WAITING_ROWS, FileSink, PredictionLog
from model_server.settings import PredictionLogSettings
from tabular_model.decisions.made import Decided, Refused
from tests.model_server.serving import APPLICANT, serving

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def events(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_server_logs_what_it_answered_without_the_protected_column(trained_registry, tmp_path, wait_for):
    path = tmp_path / "predictions.jsonl"
    with serving(trained_registry, log_predictions=path) as server, httpx.Client(base_url=server.url) as http:
        one = http.post("/predict", json=APPLICANT | {"Credit_Score": None}).json()
        rows = {"name": "x", "datatype": "FP64", "shape": [2, 7], "data": [*APPLICANT.values()] * 2}
        two = http.post("/v2/models/loan/versions/v1/infer", json={"id": "abc", "inputs": [rows]}).json()
        wait_for(lambda: len(events(path)) == 2)
        wait_for(lambda: 'loan_log_rows_total{result="written"} 3.0' in http.get("/metrics").text)
        server.stop()
    first, second = (from_json(line) for line in path.read_text().splitlines())
    assert (first["type"], first["source"]) == ("loan_model.prediction", "/v2/models/loan/versions/v2")
    assert (second["subject"], second["source"]) == ("abc", "/v2/models/loan/versions/v1")
    assert datetime.fromisoformat(first["time"]) <= datetime.now(UTC)
    expected = {name: value for name, value in APPLICANT.items() if name != "Age"} | {"Credit_Score": None}
    assert first.data["applications"] == [expected]
    assert first.data["masked"] == ["Age"]
    assert first.data["probabilities"] == [one["probability"]]
    assert second.data["probabilities"] == two["outputs"][0]["data"]
    assert second.data["decisions"] == two["outputs"][1]["data"]


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def scored(model):
    """Offers the log this many rows."""

    def offer(log, count, **trace):
        matrix = np.tile(np.array(list(APPLICANT.values()), dtype=float), (count, 1))
        log.offer(Decided(model.manifest, datetime.now(UTC), "", None, matrix, model.score(matrix), **trace))

    return offer


class Stuck:
    """A sink that takes one event and holds it until it is let go."""

    def __init__(self):
        self.taken, self.go, self.events = threading.Event(), threading.Event(), []

    def write(self, event, _):
        self.taken.set()
        self.go.wait(20)
        self.events.append(json.loads(event))


def test_a_sink_that_is_full_holds_up_nobody_and_what_is_dropped_is_counted(metrics, scored):
    sink = Stuck()
    log = PredictionLog(sink, "loan", 1, False, metrics)
    scored(log, 1)
    sink.taken.wait(10)
    for _ in range(5):
        scored(log, WAITING_ROWS // 4)  # the fourth does not fit beside the one that is being written
    scored(log, WAITING_ROWS + 1)
    sink.go.set()
    log.stop()
    assert sum(len(event["data"]["applications"]) for event in sink.events) == 1 + 3 * (WAITING_ROWS // 4)
    assert metrics.counts().log_rows == {
        "written": 1 + 3 * (WAITING_ROWS // 4),
        "full": 2 * (WAITING_ROWS // 4) + WAITING_ROWS + 1,
        "failed": 0,
    }


def test_a_share_is_chosen_row_by_row(metrics, scored, tmp_path):
    log = PredictionLog(FileSink(tmp_path / "log"), "loan", 0.3, False, metrics)
    for count in (1, 2, 997, 2000):
        scored(log, count)
    log.stop()
    assert 700 < metrics.counts().log_rows["written"] < 1100


def test_protected_columns_are_logged_when_asked_for(metrics, scored, tmp_path):
    log = PredictionLog(FileSink(tmp_path / "log"), "loan", 1, True, metrics)
    scored(log, 1, traceparent=TRACEPARENT)
    log.stop()
    (event,) = events(tmp_path / "log")
    assert event["traceparent"] == TRACEPARENT
    assert list(event["data"]["applications"][0]) == list(LOAN.schema.names)
    assert event["data"]["masked"] == []


def test_ids_and_reasons_of_the_chosen_rows_stand_in_the_same_event(metrics, model, tmp_path):
    log = PredictionLog(FileSink(tmp_path / "log"), "loan", 1, False, metrics)
    matrix = np.tile(np.array(list(APPLICANT.values()), dtype=float), (2, 1))
    answer = model.score(matrix), [["LOW", ""], ["", ""]]
    log.offer(Decided(model.manifest, datetime.now(UTC), "r", ["A-1", ""], matrix, *answer, TRACEPARENT))
    log.stop()
    (event,) = events(tmp_path / "log")
    assert (event["subject"], event["traceparent"]) == ("r", TRACEPARENT)
    assert (event["data"]["ids"], event["data"]["reason_codes"]) == (["A-1", ""], [["LOW"], []])
    assert len(event["data"]["applications"]) == len(event["data"]["probabilities"]) == 2


@pytest.mark.parametrize("protected", [False, True])
def test_refused_requests_are_logged_where_asked_without_what_they_say_of_a_protected_column(
    metrics, model, tmp_path, protected
):
    why = "Input 'Age', row 0: 17 is out of range."
    for with_refused in (False, True):
        log = PredictionLog(FileSink(tmp_path / "log"), "loan", 1, protected, metrics, with_refused)
        log.refuse(Refused(model.manifest, datetime.now(UTC), "r", 400, why, TRACEPARENT))
        log.stop()
    (event,) = events(tmp_path / "log")
    assert (event["type"], event["subject"], event["traceparent"]) == ("loan_model.refusal", "r", TRACEPARENT)
    assert event["data"]["status"] == 400
    assert (event["data"]["error"] == why) is protected


def test_a_sink_that_fails_is_said_once_and_counted(metrics, scored, tmp_path, capsys):
    log = PredictionLog(FileSink(tmp_path / "absent/log"), "loan", 1, False, metrics)
    for _ in range(3):
        scored(log, 2)
    log.stop()
    assert metrics.counts().log_rows == {"written": 0, "full": 0, "failed": 6}
    assert capsys.readouterr().out.count("predictions are not logged") == 1


def test_an_http_sink_gets_one_event_a_post(metrics, scored):
    got = []

    class Broker(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.headers["Content-Type"], self.headers["traceparent"], from_json(body)))
            self.send_response(202 if len(got) < 3 else 500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments): ...

    broker = ThreadingHTTPServer(("127.0.0.1", 0), Broker)
    threading.Thread(target=broker.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{broker.server_port}/loans"
    log = PredictionLog.to(url, "loan", PredictionLogSettings(), metrics)
    for count, trace in ((1, {}), (2, {"traceparent": TRACEPARENT}), (3, {})):
        scored(log, count, **trace)
    log.stop()
    broker.shutdown()
    broker.server_close()
    assert [(kind, len(event.data["applications"])) for kind, _, event in got] == [
        ("application/cloudevents+json", count) for count in (1, 2, 3)
    ]
    assert [(header, event.get("traceparent")) for _, header, event in got] == [
        (None, None),
        (TRACEPARENT, TRACEPARENT),
        (None, None),
    ]
    assert metrics.counts().log_rows == {"written": 3, "full": 0, "failed": 3}
