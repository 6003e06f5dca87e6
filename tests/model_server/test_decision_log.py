"""Every decision is recorded, whichever protocol it was asked by, and no request waits for it."""

import threading
import time
from datetime import UTC, datetime

import httpx
import msgspec
import numpy as np
import pytest

from loan_model.synthetic import LOAN
from model_server import decision_log
from model_server.decision_log import DecisionLog
from model_server.metrics import Metrics
from model_server.settings import RecordSettings
from tabular_model.decisions.made import Decided
from tabular_model.decisions.records import Records
from tabular_model.decisions.store import open_store
from tabular_model.decisions.verify import verify
from tabular_model.decisions.writer import Writer
from tabular_model.errors import KeyUnusable, ModelError, RegistryError
from tabular_model.registry import Registry
from tabular_model.signing import Trust
from tests.model_server.serving import APPLICANT, infer_by_grpc, serving
from tests.model_server.test_v2_grpc import raw

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
COLUMNS = ["id", "request_id", "traceparent", "application", "probability", "decision", "status", "refused"]


@pytest.fixture(scope="module")
def registry(trained_registry, tmp_path_factory):
    """v1 of the shared registry, by a declaration that names a column of ids."""
    root = tmp_path_factory.mktemp("models") / "registry"
    artifact = Registry.open(trained_registry).load("v1")
    with_id = msgspec.structs.replace(artifact.manifest, id="Application_ID")
    Registry.open(root, create=True).publish(
        artifact.files, lambda version, sums: msgspec.structs.replace(with_id, version=version, files=sums)
    )
    return root


def rows(root):
    found = [row for table in Records.open(str(root)).tables(COLUMNS) for row in table.to_pylist()]
    return {row["request_id"] or row["id"]: row for row in found} if found else {}


def test_a_server_records_what_it_answered_by_every_protocol(registry, tmp_path):
    settings = {"records": tmp_path / "records", "records_protected": tmp_path / "protected", "log_refused": "true"}
    tensor = {"name": "x", "datatype": "FP64", "shape": [2, 7], "data": [*APPLICANT.values()] * 2}
    ids = {"name": "Application_ID", "datatype": "BYTES", "shape": [2], "data": ["A-1", None]}
    with serving(registry, **settings) as server, httpx.Client(base_url=server.url) as http:
        headers = {"x-request-id": "plain", "traceparent": TRACEPARENT}
        plain = http.post("/predict", json=APPLICANT | {"Application_ID": 17}, headers=headers).json()
        v2 = http.post("/v2/models/loan/infer", json={"id": "v2", "inputs": [tensor, ids]}).json()
        instances = {"instances": [APPLICANT | {"Application_ID": "A-3"}]}
        http.post("/v1/models/loan:predict", json=instances, headers={"x-request-id": "v1"}).raise_for_status()
        batch = {name: [value] for name, value in APPLICANT.items()} | {"Application_ID": ["A-4"]}
        http.post("/predict_batch", json=batch, headers={"x-request-id": "batch"}).raise_for_status()
        request = raw(np.array([[*APPLICANT.values()]], dtype=float))
        request.id = "grpc"
        infer_by_grpc(server.grpc_target, request)
        refused = http.post("/predict", json={"Age": 41}, headers={"x-request-id": "refused"})
        strange = http.post("/predict", json=APPLICANT | {"Application_ID": 1.5}, headers={"x-request-id": "strange"})
        server.stop()
    found = rows(tmp_path / "records")
    assert {name: row["id"] for name, row in found.items()} == {
        "plain": "17",
        "v2": None,  # the second row
        "v1": "A-3",
        "batch": "A-4",
        "grpc": None,
        "refused": None,
        "strange": None,
    }
    assert found["plain"]["traceparent"] == TRACEPARENT
    assert found["plain"]["probability"] == plain["probability"] == found["grpc"]["probability"]
    assert found["v2"]["probability"] == v2["outputs"][0]["data"][1]
    assert found["plain"]["application"] == {name: value for name, value in APPLICANT.items() if name != "Age"}
    assert (found["refused"]["status"], found["refused"]["decision"]) == (400, None)
    assert found["refused"]["refused"] == refused.json()["error"]
    assert (strange.status_code, found["strange"]["refused"]) == (400, strange.json()["error"])
    assert "1.5 is not an id" in strange.json()["error"]
    beside = Records.open(str(tmp_path / "protected"))
    ages = [row["application"] for table in beside.tables(["application"]) for row in table.to_pylist()]
    assert ages.count({"Age": 41.0}) == 6
    (day,) = Records.open(str(tmp_path / "records")).days()
    verified = verify(Records.open(str(tmp_path / "records")), day, beside)
    assert (verified.rows, verified.faults, verified.open) == (8, [], [])


def test_without_more_settings_neither_refusals_nor_protected_columns_are_kept(registry, tmp_path):
    one = {"name": "x", "datatype": "FP64", "shape": [1, 7], "data": [*APPLICANT.values()]}
    ids = {"name": "Application_ID", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]}
    with serving(registry, records=tmp_path) as server, httpx.Client(base_url=server.url) as http:
        http.post("/predict", json=APPLICANT).raise_for_status()
        many = http.post("/v2/models/loan/infer", json={"inputs": [one, ids]})
        twice = http.post("/v2/models/loan/infer", json={"inputs": [one, ids, ids]})
        long = http.post("/predict", json=APPLICANT | {"Application_ID": "x" * 201})
        huge = http.post("/predict", json=APPLICANT | {"Application_ID": 2**60})
        unknown = http.post("/predict", json=APPLICANT | {"Application_Id": "a"})
        document, exposed = http.get("/openapi.json").json(), http.get("/metrics").text
        server.stop()
    assert many.json()["error"] == "Input 'Application_ID' has shape [2]; send an id for each row, [1]."
    assert twice.json()["error"] == "Input 'Application_ID' was sent twice; send it once."
    assert {each.status_code for each in (many, twice, long, huge, unknown)} == {400}
    assert "Application_ID" in document["components"]["schemas"]["Application"]["properties"]
    assert 'loan_record_rows_total{result="full"} 0.0' in exposed
    (row,) = rows(tmp_path).values()
    assert list(row["application"]) == [column.name for column in LOAN.columns if not column.protected]


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def offer(model):
    """Offers the log a request of this many rows."""

    def offer(log, count):
        matrix = np.tile(np.array(list(APPLICANT.values()), dtype=float), (count, 1))
        log.offer(Decided(model.manifest, datetime.now(UTC), "", None, matrix, model.score(matrix)))

    return offer


class Stuck:
    """A store that takes nothing until it is let go, and fails before."""

    def __init__(self, store):
        self.url, self.store, self.go, self.asked = store.url, store, threading.Event(), 0

    def create(self, name, content):
        self.asked += 1
        if not self.go.is_set():
            raise RegistryError("The record x cannot be used: no space.")
        return self.store.create(name, content)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(decision_log, "TAKE_SECONDS", 0.01)
    monkeypatch.setattr(decision_log, "TAKE_ROWS", 1)


@pytest.mark.usefixtures("quick")
def test_a_store_that_fails_holds_up_nobody(metrics, offer, tmp_path, wait_for, capsys, monkeypatch):
    """What does not fit is dropped and counted."""
    monkeypatch.setattr(decision_log, "WAITING_ROWS", 10)
    store = Stuck(open_store(str(tmp_path), create=True))
    log = DecisionLog(Writer(store, None, "pod"), metrics, 0.01, False)
    for count in (4, 4, 4, 11):
        began = time.perf_counter()
        offer(log, count)
        assert time.perf_counter() - began < 1
    wait_for(lambda: store.asked > 2)
    assert metrics.counts().record_rows == {"written": 0, "failed": 0, "full": 15}
    store.go.set()
    wait_for(lambda: metrics.counts().record_rows["written"] == 8)
    offer(log, 10)
    log.stop()
    assert metrics.counts().record_rows == {"written": 18, "failed": 0, "full": 15}
    assert capsys.readouterr().out.count("decisions are not recorded now, and wait") == 1


def test_what_is_not_written_when_the_server_ends_is_counted(metrics, offer, tmp_path):
    log = DecisionLog(Writer(Stuck(open_store(str(tmp_path), create=True)), None, "pod"), metrics, 60, False)
    offer(log, 3)
    log.stop()
    assert metrics.counts().record_rows == {"written": 0, "failed": 3, "full": 0}


@pytest.mark.usefixtures("quick")
def test_parts_are_cut_by_seconds_or_by_rows(metrics, offer, tmp_path, wait_for, monkeypatch):
    monkeypatch.setattr(decision_log, "PART_ROWS", 5)
    log = DecisionLog(Writer(open_store(str(tmp_path), create=True), None, "pod"), metrics, 60, False)
    offer(log, 4)
    time.sleep(0.1)
    assert metrics.counts().record_rows["written"] == 0
    offer(log, 1)
    wait_for(lambda: metrics.counts().record_rows["written"] == 5)
    log.stop()


def test_a_few_rows_are_written_when_their_time_has_come(metrics, offer, tmp_path, wait_for):
    log = DecisionLog(Writer(open_store(str(tmp_path), create=True), None, "pod"), metrics, 0.1, False)
    offer(log, 3)
    wait_for(lambda: metrics.counts().record_rows["written"] == 3)
    log.stop()


def test_the_protected_columns_need_a_place_of_their_own(metrics, tmp_path):
    settings = RecordSettings(records=str(tmp_path), records_protected=str(tmp_path))
    with pytest.raises(ModelError, match="LOAN_RECORDS and LOAN_RECORDS_PROTECTED are the same place"):
        DecisionLog.to(settings, metrics, False)


def test_a_day_is_signed_when_the_server_stops(metrics, offer, tmp_path, keys):
    root = str(tmp_path / "records")
    settings = RecordSettings(records=root, records_signing_key=keys / "signing.key")
    log = DecisionLog.to(settings, metrics, False)
    offer(log, 1)
    log.stop()
    trust = Trust.read(keys / "signing.pub")
    (found,) = [verify(Records.open(root), day, trust=trust) for day in Records.open(root).days()]
    assert (found.rows, found.faults, found.open) == (1, [], [])
    assert metrics.counts().record_rows == {"written": 1, "failed": 0, "full": 0}


def test_a_server_without_the_key_that_it_shall_sign_with_records_nothing(metrics, tmp_path):
    settings = RecordSettings(records=str(tmp_path / "records"), records_signing_key=tmp_path / "absent.key")
    with pytest.raises(KeyUnusable, match=r"The key file .*absent\.key cannot be read"):
        DecisionLog.to(settings, metrics, False)
    assert not (tmp_path / "records").exists()
