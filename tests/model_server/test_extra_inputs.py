"""Inputs that a version does not have: refused, or ignored while callers send those of two versions."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.model_server.serving import APPLICANT, in_process

WORD = {"name": "Purpose", "datatype": "BYTES", "shape": [1], "data": ["car"]}
NUMBER = {"name": "Months", "datatype": "FP64", "shape": [1], "data": [7]}


def v2(*extra: dict[str, Any]) -> dict[str, Any]:
    inputs = [{"name": n, "datatype": "FP64", "shape": [1], "data": [value]} for n, value in APPLICANT.items()]
    return {"inputs": [*inputs, *extra]}


@pytest.fixture(scope="module", params=["ignore", "refused"])
def http(request: pytest.FixtureRequest, trained_registry: Path) -> Any:
    with in_process(trained_registry, extra_inputs=request.param) as client:
        client.headers["x-mode"] = request.param
        yield client


@pytest.mark.parametrize("extra", [WORD, NUMBER], ids=["text", "number"])
def test_v2(http: httpx.Client, extra: dict[str, Any]) -> None:
    expected = http.post("/v2/models/loan/infer", json=v2()).json()
    answer = http.post("/v2/models/loan/infer", json=v2(extra))
    if http.headers["x-mode"] == "ignore":
        assert answer.json()["outputs"] == expected["outputs"]
    else:
        assert answer.status_code == 400


@pytest.mark.parametrize("extra", [{"Purpose": "car"}, {"Months": 7}], ids=["text", "number"])
def test_plain_json(http: httpx.Client, extra: dict[str, Any]) -> None:
    expected = http.post("/predict", json=APPLICANT).json()
    by_column = {name: [value] for name, value in (APPLICANT | extra).items()}
    answers = [http.post("/predict", json=APPLICANT | extra), http.post("/predict_batch", json=by_column)]
    if http.headers["x-mode"] == "ignore":
        assert answers[0].json() == expected
        assert answers[1].json()["probabilities"] == pytest.approx([expected["probability"]], abs=1e-12)
    else:
        assert {answer.status_code for answer in answers} == {400}


def test_text_for_a_number_is_refused_in_either_case(http: httpx.Client) -> None:
    answer = http.post("/predict", json=APPLICANT | {"Age": "41"})
    assert answer.status_code == 400
    assert "Age" in answer.json()["error"] or "str" in answer.json()["error"]
