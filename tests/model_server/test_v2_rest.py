"""V2 over REST, as a client sees it."""

import json
from importlib.metadata import version

import numpy as np
import pytest

from loan_model.synthetic import LOAN
from tests.model_server.serving import in_process, outputs, v2_columns

INFER = "/v2/models/loan/infer"


def test_health_and_readiness(http):
    assert http.get("/v2/health/live").json() == {"live": True}
    assert http.get("/v2/health/ready").json() == {"ready": True}
    assert http.get("/v2/models/loan/ready").json() == {"name": "loan", "ready": True}
    assert http.get("/v2/models/loan/versions/v1/ready").json() == {"name": "loan", "ready": True}
    assert http.get("/").json() == {"live": True}


def test_a_server_without_a_version_is_live_but_not_ready(tmp_path):
    with in_process(tmp_path / "empty") as http:
        assert http.get("/v2/health/live").status_code == 200
        assert http.get("/v2/health/ready").status_code == 503
        assert http.get("/v2/models/loan/ready").status_code == 503
        answer = http.post(INFER, json=v2_columns(np.ones((1, 7))))
        assert answer.status_code == 503
        assert "not loaded" in answer.json()["error"]


def test_metadata_is_the_real_signature(http):
    server = http.get("/v2").json()
    assert (server["name"], server["version"]) == ("loan-model", version("loan-model"))
    assert http.get("/openapi.json").json()["info"]["version"] == server["version"]
    metadata = http.get("/v2/models/loan").json()
    assert metadata["versions"] == ["v1", "v2"]
    assert [item["name"] for item in metadata["inputs"]] == list(LOAN.schema.names)
    assert metadata["inputs"][4] == {
        "name": "Loan_Duration_Years",
        "datatype": "INT64",
        "shape": [-1],
        "parameters": {"missing": False, "range": [1, 30], "unit": "years"},
    }
    assert [item["name"] for item in metadata["outputs"]] == ["probability", "decision", "reason_codes"]
    assert http.get("/v2/models/loan/versions/v2").json()["versions"] == ["v2"]


def test_columns_give_the_models_own_probabilities(http, model, matrix):
    answer = http.post("/v2/models/loan/versions/v1/infer", json=v2_columns(matrix))
    probability, decision = model.score(matrix)
    assert answer.json()["model_version"] == answer.headers["x-loan-version"] == "v1"
    assert outputs(answer.json()) == {"probability": probability.tolist(), "decision": decision.tolist()}


@pytest.mark.parametrize("form", ["flat", "nested", "column vectors", "any order", "integers"])
def test_every_form_of_the_same_request_has_the_same_answer(http, matrix, form):
    reference = http.post(INFER, json=v2_columns(matrix)).json()["outputs"]
    request = v2_columns(matrix)
    values = [[None if np.isnan(v) else v for v in row] for row in matrix.tolist()]
    if form == "flat":
        flat = [value for row in values for value in row]
        request = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [20, 7], "data": flat}]}
    elif form == "nested":
        request = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [20, 7], "data": values}]}
    elif form == "column vectors":
        for item in request["inputs"]:
            item |= {"shape": [20, 1], "data": [[value] for value in item["data"]]}
    elif form == "any order":
        request["inputs"].reverse()
    else:
        request["inputs"][4] |= {"datatype": "INT32", "data": [int(v) for v in request["inputs"][4]["data"]]}
    assert http.post(INFER, json=request).json()["outputs"] == reference


def test_an_id_is_given_back_and_not_needed(http, matrix):
    assert http.post(INFER, json=v2_columns(matrix) | {"id": "a-1"}).json()["id"] == "a-1"
    assert "id" not in http.post(INFER, json=v2_columns(matrix)).json()


def test_a_literal_nan_is_a_missing_value(http, matrix):
    matrix[0, 0] = np.nan
    body = json.dumps(v2_columns(matrix)).replace("null", "NaN")
    answer = http.post(INFER, content=body, headers={"content-type": "application/json"})
    assert answer.json()["outputs"] == http.post(INFER, json=v2_columns(matrix)).json()["outputs"]


def test_only_the_outputs_asked_for(http, matrix):
    answer = http.post(INFER, json=v2_columns(matrix) | {"outputs": [{"name": "decision"}]}).json()
    assert list(outputs(answer)) == ["decision"]


@pytest.mark.parametrize("ask", [{"parameters": {"explain": True}}, {"outputs": [{"name": "reason_codes"}]}], ids=str)
def test_reason_codes_on_request(http, model, matrix, ask):
    answer = http.post("/v2/models/loan/versions/v1/infer", json=v2_columns(matrix) | ask).json()
    output = answer["outputs"][-1]
    assert output["datatype"] == "BYTES"
    assert output["shape"] == [20, 4]
    assert output["data"] == [code for row in model.reason_codes(matrix) for code in row]
    assert any("LOW" in code or "HIGH" in code for code in output["data"])


def binary_request(matrix, **extra):
    columns = [np.ascontiguousarray(matrix[:, index]).tobytes() for index in range(7)]
    head = {
        "inputs": [
            {
                "name": name,
                "datatype": "FP64",
                "shape": [len(matrix)],
                "parameters": {"binary_data_size": len(content)},
            }
            for name, content in zip(LOAN.schema.names, columns, strict=True)
        ],
        **extra,
    }
    text = json.dumps(head).encode()
    return text + b"".join(columns), {"Inference-Header-Content-Length": str(len(text))}


def test_binary_tensors_in_and_out(http, matrix):
    reference = outputs(http.post(INFER, json=v2_columns(matrix) | {"parameters": {"explain": True}}).json())
    body, headers = binary_request(matrix, parameters={"binary_data_output": True, "explain": True})
    answer = http.post(INFER, content=body, headers=headers)
    length = int(answer.headers["inference-header-content-length"])
    head, tail = json.loads(answer.content[:length]), answer.content[length:]
    assert answer.headers["content-type"] == "application/octet-stream"
    sizes = [output["parameters"]["binary_data_size"] for output in head["outputs"]]
    assert sum(sizes) == len(tail)
    assert np.frombuffer(tail[: sizes[0]]).tolist() == reference["probability"]
    assert np.frombuffer(tail[sizes[0] :][: sizes[1]], np.int64).tolist() == reference["decision"]


def test_binary_in_json_out(http, matrix):
    body, headers = binary_request(matrix)
    answer = http.post(INFER, content=body, headers=headers)
    assert answer.json()["outputs"] == http.post(INFER, json=v2_columns(matrix)).json()["outputs"]
