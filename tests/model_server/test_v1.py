"""KServe's V1 protocol: the same scores as the plain API, by `instances` of either form."""

import pytest

from tests.model_server.serving import APPLICANT

PREDICT = "/v1/models/loan:predict"
ROW = list(APPLICANT.values())


@pytest.mark.parametrize("instances", [[APPLICANT, APPLICANT], [ROW, ROW], [APPLICANT, ROW]])
def test_instances_are_objects_or_rows(http, instances):
    plain = http.post("/predict_batch", json=[APPLICANT, APPLICANT]).json()
    answer = http.post(PREDICT, json={"instances": instances})
    assert answer.status_code == 200, answer.text
    assert answer.json() == plain
    assert answer.json()["predictions"] in ([1, 1], [0, 0])
    assert answer.headers["x-loan-version"] == plain["model_version"]


def test_a_version_may_be_named(http):
    answer = http.post("/v1/models/loan/versions/v1:predict", json={"instances": [ROW]})
    assert answer.json()["model_version"] == "v1"
    assert http.post(f"{PREDICT}?version=v1", json={"instances": [ROW]}).json()["model_version"] == "v1"
    assert http.post("/v1/models/loan/versions/v9:predict", json={"instances": [ROW]}).status_code == 404


def test_nulls_truths_and_reasons(http):
    row = [None, *ROW[1:-1], False]
    answer = http.post(f"{PREDICT}?explain=true", json={"instances": [row], "parameters": None})
    assert answer.status_code == 200, answer.text
    assert answer.json()["reason_codes"]


def test_what_there_is(http):
    assert http.get("/v1/models").json() == {"models": ["loan"]}
    assert http.get("/v1/models/loan").json() == {"name": "loan", "ready": "True"}
    assert http.get("/v1/models/house").status_code == 404
    assert http.post("/v1/models/house:predict", json={"instances": [ROW]}).status_code == 404
    assert http.get(PREDICT).status_code == 405
    assert http.post("/v1/models/loan:explain", json={"instances": [ROW]}).status_code == 404


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, ["lacks field `instances`"]),
        ({"instances": "x"}, ["`instances`", "an array", "a string"]),
        ({"instances": []}, ["no rows"]),
        ({"instances": [ROW[:-1]]}, ["Instance 0", "6 values", "Had_Past_Default"]),
        ({"instances": [ROW, APPLICANT | {"Age": "x"}]}, ["Application 1", "'Age'", '"x"']),
        ({"instances": [["x", *ROW[1:]]]}, ["Application 0", "'Age'"]),
        ({"instances": [3]}, ["Application 0", "an integer"]),
        ({"instances": [APPLICANT | {"Height": 3}]}, ["unknown field 'Height'"]),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(http, body, words):
    answer = http.post(PREDICT, json=body)
    assert answer.status_code == 400
    for word in words:
        assert word in answer.json()["error"]
