"""`POST /train`: a training in a child process, while the server goes on answering."""

import threading

import httpx
import pytest

from tabular_model.registry import Registry
from tabular_model.results import Results
from tests.model_server.serving import APPLICANT, in_process, serving


def test_train_publishes_serves_and_keeps_answering(tmp_path, data_file):
    with (
        serving(tmp_path / "registry", train_data=data_file) as server,
        httpx.Client(base_url=server.url, timeout=90) as http,
    ):
        train_and_ask(http)


def train_and_ask(http):
    assert http.post("/predict", json=APPLICANT).status_code == 503
    answers = []
    training = threading.Thread(target=lambda: answers.append(http.post("/train", json={"algorithm": "logistic"})))
    training.start()
    live, second = 0, None
    while training.is_alive():
        live += http.get("/v2/health/live").status_code == 200
        if live == 5:
            second = http.post("/train")
    assert live > 5
    assert (second.status_code, "is running" in second.json()["error"]) == (409, True)
    answer = answers[0].json()
    assert answer["message"] == "Training completed successfully."
    assert answer["new_model_version"] == "v1"
    assert answer["passed_gate"] in (True, False)
    assert http.post("/predict", json=APPLICANT).json()["model_version"] == "v1"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"algorithm": "magic"}, "magic"),
        ({"path": "/etc/passwd"}, "path"),
        ({"data": "/etc/passwd"}, "data"),
        ({"seed": "x"}, "seed"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"epochs": 0}, "max_iter"),
        ({"epochs": "many"}, "max_iter"),
        ({"learning_rate": -1}, "learning_rate"),
        ({"algorithm": "logistic", "learning_rate": 0.1}, "learning_rate"),
        ({"learning_rat": 0.1}, "did you mean learning_rate?"),
        ({"epochs": 10, "max_iter": 10}, "the same parameter"),
        ([], "object"),
    ],
)
def test_wrong_parameters_are_refused(http, body, word):
    answer = http.post("/train", json=body)
    assert answer.status_code == 400
    assert word in answer.json()["error"]


def test_it_trains_with_the_parameters_of_the_request(tmp_path, data_file):
    with in_process(tmp_path / "registry", train_data=data_file) as http:
        answer = http.post("/train", json={"epochs": 10, "learning_rate": 0.001})
        assert answer.status_code == 200, answer.text
    manifest = Registry.open(tmp_path / "registry").manifest("v1")
    assert manifest.algorithm == "gradient_boosting"
    assert (manifest.parameters["max_iter"], manifest.parameters["learning_rate"]) == (10, 0.001)


def test_a_training_that_fails_says_why(tmp_path):
    with in_process(tmp_path / "registry", train_data=tmp_path / "absent.csv") as http:
        answer = http.post("/train")
        assert answer.status_code == 500
        assert "absent.csv" in answer.json()["error"]
        assert http.post("/v2/repository/index").json() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "Loan export 2024\n" + text, "line 1: 'Loan export 2024' cannot be the line of column names"),
        (lambda text: text + text.splitlines()[1] + ",9\n", "has 9 cells, more than the 8"),
    ],
    ids=["a line before the header", "a row with a cell too many"],
)
def test_data_that_cannot_be_read_are_said_in_a_sentence(tmp_path, data_file, change, said):
    broken = tmp_path / "export.csv"
    broken.write_text(change(data_file.read_text()))
    with in_process(tmp_path / "registry", train_data=broken) as http:
        answer = http.post("/train")
        assert said in answer.json()["error"]
        assert "export.csv" in answer.json()["error"]


def test_a_long_training_is_a_202_with_a_place_to_ask(tmp_path, data_file, wait_for):
    with (
        serving(tmp_path / "registry", train_data=data_file, train_wait_seconds=0.1) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        answer = http.post("/train", json={"algorithm": "logistic"})
        assert answer.status_code == 202
        where = answer.headers["location"]
        assert answer.json()["status_url"] == where
        wait_for(lambda: http.get(where).status_code == 200, seconds=60)
        assert http.get(where).json()["new_model_version"] == "v1"
        assert http.get("/train/nothing").status_code == 404


def test_only_data_that_was_configured_by_name_is_trained_on(tmp_path, data_file):
    sources = {"q3": str(data_file)}
    with in_process(tmp_path / "registry", train_data=tmp_path / "absent.csv", train_sources=sources) as http:
        for data in ("q4", str(data_file), "../data.csv", "s3://bank/q3.csv", "http://169.254.169.254/", ""):
            answer = http.post("/train", json={"data": data})
            assert answer.status_code == 400
            assert "q3" in answer.json()["error"]
        assert http.post("/v2/repository/index").json() == []
        trained = http.post("/train", json={"data": "q3", "algorithm": "logistic"})
        assert trained.json()["new_model_version"] == "v1"


def test_it_searches_among_settings_if_asked(tmp_path, data_file):
    with in_process(tmp_path / "registry", train_data=data_file) as http:
        answer = http.post("/train", json={"algorithm": "scorecard", "search": 4, "C": 0.5})
        assert answer.status_code == 200, answer.text
        assert http.post("/train", json={"search": -1}).status_code == 400
        assert http.post("/train", json={"search": "many"}).status_code == 400
    registry = Registry.open(tmp_path / "registry")
    found = Results.decode(registry.read("v1", "metrics.json")).search
    assert found is not None
    assert len(found.tried) == 4
    assert all("C" not in each.parameters for each in found.tried)
    assert registry.manifest("v1").parameters["C"] == 0.5


def test_a_pipeline_that_is_not_declared_is_refused_in_a_sentence(tmp_path, data_file):
    with in_process(tmp_path / "registry", train_data=data_file) as http:
        answer = http.post("/train", json={"algorithm": "pipeline", "depth": 3})
        assert answer.status_code == 500
        assert "has no custom pipeline" in answer.json()["error"]
