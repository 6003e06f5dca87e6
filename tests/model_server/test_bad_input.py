"""Each wrong request is rejected with one sentence that names the field, and the server goes on."""

import json

import numpy as np
import pytest

from tests.model_server.serving import APPLICANT, in_process, v2_columns
from tests.model_server.test_v2_rest import INFER, binary_request

ROW = np.array([[41, 82000, 715, 15000, 5, 3, 0]], dtype=float)


def tensor(index, **changes):
    """A request whose input at `index` is changed."""
    request = v2_columns(ROW)
    request["inputs"][index] |= changes
    return request


def without(index):
    request = v2_columns(ROW)
    del request["inputs"][index]
    return request


def repeated():
    request = v2_columns(ROW)
    request["inputs"].append(request["inputs"][0])
    return request


CASES = {
    "unknown tensor": (tensor(0, name="Height"), ["'Height'", "'Age'"]),
    "missing tensor": (without(2), ["'Credit_Score'"]),
    "repeated tensor": (repeated(), ["'Age'", "twice"]),
    "no tensor": ({"inputs": []}, ["'Age'"]),
    "shape and data disagree": (tensor(0, shape=[2]), ["'Age'", "2 values", "has 1"]),
    "unequal lengths": (tensor(1, shape=[2], data=[1, 2]), ["'Annual_Income'", "2 rows", "has 1"]),
    "ragged data": (tensor(1, data=[[1], [1, 2]]), ["'Annual_Income'", "unequal"]),
    "three dimensions": (tensor(1, shape=[1, 1, 1]), ["'Annual_Income'", "[1, 1, 1]"]),
    "negative shape": (tensor(0, shape=[-1]), ["'Age'", "no rows"]),
    "fractional shape": (tensor(0, shape=[1.5]), ["inputs[0].shape"]),
    "huge shape": (tensor(0, shape=[2**63]), ["'Age'", "9223372036854775808"]),
    "wrong datatype": (tensor(0, datatype="BYTES"), ["'Age'", "BYTES", "FP64"]),
    "a fraction in an integer tensor": (tensor(3, datatype="INT64", data=[2.5]), ["INT64", "2.5"]),
    "a string": (tensor(2, data=["high"]), ["inputs[2].data[0]", "str"]),
    "a boolean": (tensor(2, data=[True]), ["inputs[2].data[0]", "bool"]),
    "a line break in a name": (tensor(2, name="x\ny"), ["'x\\x0ay'"]),
    "a line break in a datatype": (tensor(2, datatype="FP\n4"), ["FP\\x0a4"]),
    "a line break in an output": (v2_columns(ROW) | {"outputs": [{"name": "a\nb"}]}, ["'a\\x0ab'"]),
    "no data": (tensor(3, data=None), ["'Loan_Amount'", "no data"]),
    "missing where it may not be": (tensor(6, data=[None]), ["'Had_Past_Default'", "row 0", "missing"]),
    "not a whole number": (tensor(4, data=[2.5]), ["'Loan_Duration_Years'", "2.5"]),
    "not a whole number, and out of range": (tensor(4, data=[30.5]), ["'Loan_Duration_Years'", "30.5", "whole"]),
    "zero rows": (tensor(0, shape=[0], data=[]), ["'Age'", "no rows"]),
    "too many rows": (
        {"inputs": [{"name": "x", "datatype": "FP64", "shape": [100001, 7], "data": []}]},
        ["100001"],
    ),
    "matrix too narrow": (
        {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 6], "data": []}]},
        ["[1, 6]"],
    ),
    "unknown output": (v2_columns(ROW) | {"outputs": [{"name": "risk"}]}, ["'risk'", "probability"]),
    "not an object": ([1], ["object", "array"]),
    "inputs is no list": ({"inputs": 3}, ["inputs", "int"]),
    "id is a number": (v2_columns(ROW) | {"id": 3}, ["id", "int"]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_request_is_a_400_that_names_it(http, case):
    request, words = CASES[case]
    answer = http.post(INFER, json=request)
    assert answer.status_code == 400, answer.text
    for word in words:
        assert word in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert http.post(INFER, json=v2_columns(ROW)).status_code == 200


BODIES = {
    "broken JSON": (b'{"inputs": [', 400, "JSON"),
    "no body": (b"", 400, "JSON"),
    "not UTF-8": (b'{"id": "\xff"}', 400, "JSON"),
    "deep nesting": (b'{"inputs": [], "z": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", 400, "deep"),
    "infinite": (json.dumps(tensor(0, data=[float("inf")])).encode(), 400, "Infinity"),
    "too large a number": (
        json.dumps(v2_columns(ROW)).replace("41.0", "1e999").encode(),
        400,
        "inputs[0].data[0]",
    ),
    "a million digits": (
        json.dumps(v2_columns(ROW)).replace("41.0", "9" * 10**6).encode(),
        400,
        "inputs[0].data[0]",
    ),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_body_that_is_not_a_request(http, case):
    body, status, word = BODIES[case]
    answer = http.post(INFER, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert word in answer.json()["error"]


def test_wrong_content_type_and_compression(http):
    form = http.post(INFER, content="{}", headers={"content-type": "application/x-www-form-urlencoded"})
    assert form.status_code == 415
    assert "application/json" in form.json()["error"]
    packed = http.post(INFER, content=b"", headers={"content-encoding": "br"})
    assert packed.status_code == 415
    assert "gzip, deflate, zstd" in packed.json()["error"]


def test_unknown_model_version_path_and_method(http):
    unknown = http.post("/v2/models/house/infer", json=v2_columns(ROW))
    assert (unknown.status_code, "'house'" in unknown.json()["error"]) == (404, True)
    absent = http.post("/v2/models/loan/versions/v9/infer", json=v2_columns(ROW))
    assert absent.status_code == 404
    assert "v1, v2" in absent.json()["error"]
    assert http.get("/v2/models/loan/versions/..%2Fv1").status_code == 404
    assert http.get("/v3").status_code == 404
    wrong = http.get(INFER)
    assert wrong.status_code == 405
    assert "POST" in wrong.json()["error"]


@pytest.mark.parametrize(
    ("cut", "length", "word"),
    [
        (slice(None, -3), None, "truncated"),
        (slice(None), "x", "Inference-Header-Content-Length"),
        (slice(None), "99999", "Inference-Header-Content-Length"),
    ],
)
def test_truncated_binary_tensors(http, cut, length, word):
    body, headers = binary_request(ROW)
    if length:
        headers["Inference-Header-Content-Length"] = length
    answer = http.post(INFER, content=body[cut], headers=headers)
    assert answer.status_code == 400
    assert word in answer.json()["error"]


def test_binary_tensors_left_over_and_infinite(http):
    body, headers = binary_request(ROW)
    left_over = http.post(INFER, content=body + b"12345678", headers=headers)
    assert left_over.status_code == 400
    infinite, headers = binary_request(ROW * [[np.inf, 1, 1, 1, 1, 1, 1]])
    answer = http.post(INFER, content=infinite, headers=headers)
    assert answer.status_code == 400
    assert "'Age', row 0: inf is infinite" in answer.json()["error"]


def test_limits_and_refused_ranges_are_settings(trained_registry):
    settings = {"max_rows": 2, "max_body_bytes": 4096, "refuse_out_of_range": True}
    with in_process(trained_registry, **settings) as http:
        rows = http.post(INFER, json=v2_columns(ROW.repeat(3, axis=0)))
        assert (rows.status_code, "at most 2" in rows.json()["error"]) == (400, True)
        announced = http.post(INFER, content=b" " * 5000)
        assert (announced.status_code, "4096" in announced.json()["error"]) == (413, True)
        unannounced = http.post(INFER, content=(b" " * 1000 for _ in range(8)))
        assert (unannounced.status_code, "4096" in unannounced.json()["error"]) == (413, True)
        old = http.post(INFER, json=tensor(0, data=[99]))
        assert old.status_code == 400
        assert "'Age', row 0: 99 is out of range" in old.json()["error"]


def test_out_of_range_is_accepted_by_default(http):
    assert http.post(INFER, json=tensor(0, data=[99])).status_code == 200


PLAIN = {
    "unknown field": ("/predict", APPLICANT | {"Height": 2}, "'Height'"),
    "absent field": ("/predict", {"Age": 3}, "'Annual_Income'"),
    "a string": ("/predict", APPLICANT | {"Age": "old"}, "str"),
    "an array": ("/predict", [APPLICANT], "object"),
    "missing where it may not be": ("/predict", APPLICANT | {"Had_Past_Default": None}, "'Had_Past_Default'"),
    "empty batch": ("/predict_batch", [], "no rows"),
    "row of the batch": ("/predict_batch", [APPLICANT, APPLICANT | {"x": 1}], "Application 1"),
    "unequal columns": (
        "/predict_batch",
        {name: [value] for name, value in APPLICANT.items()} | {"Age": [1, 2]},
        "'Annual_Income' has 1 rows but 'Age' has 2",
    ),
}


@pytest.mark.parametrize("case", PLAIN)
def test_wrong_plain_requests(http, case):
    path, body, word = PLAIN[case]
    answer = http.post(path, json=body)
    assert answer.status_code == 400
    assert word in answer.json()["error"]
