"""What generated clients, pandas and careless callers send: taken where it has one meaning, named where it has none."""

import json

import numpy as np
import pytest

from tests.model_server.serving import APPLICANT, outputs, v2_columns
from tests.model_server.test_v2_rest import INFER, binary_request

ROW = np.array([[41, 82000, 715, 15000, 5, 3, 0]], dtype=float)
TWO = np.array([[np.nan, 82000, 715, 15000, 5, 3, 0], [41, 38000.5, np.nan, 45000, 20, 9, 1]])
AGE, INCOME, DEFAULT = 0, 1, 6


def tensor(index: int, **changes: object) -> dict:
    request = v2_columns(ROW)
    request["inputs"][index] |= changes
    return request


@pytest.mark.parametrize(
    "nulls",
    [
        {"id": None},
        {"outputs": None},
        {"parameters": None},
        {"model_version": None, "model_name": None},
        {"parameters": {"explain": None, "binary_data_output": None, "content_type": None}},
        {"outputs": [{"name": "probability", "parameters": None}]},
        {"outputs": [{"name": "probability", "parameters": {"binary_data": None, "classification": None}}]},
    ],
    ids=str,
)
def test_a_null_is_what_is_not_there(http, nulls):
    plain = http.post(INFER, json=v2_columns(ROW)).json()
    answer = http.post(INFER, json=v2_columns(ROW) | nulls)
    assert answer.status_code == 200, answer.text
    assert answer.json()["outputs"][0] == plain["outputs"][0]
    assert "id" not in answer.json()
    with_nulls = v2_columns(ROW)
    for item in with_nulls["inputs"]:
        item["parameters"] = None
    assert http.post(INFER, json=with_nulls).status_code == 200


def test_truths_are_taken_for_zeros_and_ones(http):
    expected = outputs(http.post(INFER, json=tensor(DEFAULT, data=[1])).json())
    for data in ([True], [[True]], [1]):
        shape = [1, 1] if isinstance(data[0], list) else [1]
        answer = http.post(INFER, json=tensor(DEFAULT, datatype="BOOL", data=data, shape=shape))
        assert answer.status_code == 200, answer.text
        assert outputs(answer.json()) == expected
    one = http.post("/predict", json=APPLICANT | {"Had_Past_Default": True})
    assert one.json()["probability"] == pytest.approx(expected["probability"][0], abs=1e-12)
    batch = {name: [value] for name, value in APPLICANT.items()} | {"Had_Past_Default": [True]}
    assert http.post("/predict_batch", json=batch).status_code == 200


@pytest.mark.parametrize(
    ("index", "datatype", "value", "words"),
    [
        (INCOME, "FP16", 82000, ["'Annual_Income'", "FP16", "82000", "-65504 to 65504"]),
        (AGE, "UINT8", 300, ["'Age'", "UINT8", "300", "0 to 255"]),
        (AGE, "UINT8", -1, ["'Age'", "UINT8", "-1"]),
        (INCOME, "INT8", 82000, ["INT8", "82000", "-128 to 127"]),
        (INCOME, "FP32", 1e39, ["FP32", "1e+39"]),
        (AGE, "INT64", 2**53 + 1, ["'Age'", "INT64", "float64", "9007199254740991"]),
        (AGE, "UINT64", 2**60, ["'Age'", "UINT64", "float64"]),
    ],
)
def test_a_value_that_its_datatype_cannot_hold_is_named(http, index, datatype, value, words):
    answer = http.post(INFER, json=tensor(index, datatype=datatype, data=[value]))
    assert answer.status_code == 400
    for word in words:
        assert word in answer.json()["error"]


@pytest.mark.parametrize(("datatype", "value"), [("INT8", 41), ("UINT16", 65535), ("FP16", 41.5), ("INT64", 2**52)])
def test_values_that_it_can_hold_are_taken(http, datatype, value):
    assert http.post(INFER, json=tensor(AGE, datatype=datatype, data=[value])).status_code == 200


@pytest.mark.parametrize("datatype", ["FP32", "FP16", "INT64", "UINT32", "FP64"])
@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("nested", [False, True])
def test_a_matrix_of_every_datatype_is_taken_nested_or_flat(http, datatype, rows, nested):
    matrix = np.tile([41, 60000, 715, 15000, 5, 3, 0], (rows, 1))
    data = matrix.tolist() if nested else matrix.ravel().tolist()
    tensor = {"name": "x", "datatype": datatype, "shape": [rows, 7], "data": data}
    answer = http.post(INFER, json={"inputs": [tensor]})
    assert answer.status_code == 200, answer.text
    columns = http.post(INFER, json=v2_columns(matrix.astype(float)))
    assert outputs(answer.json()) == outputs(columns.json())
    vast = matrix * 1e30
    too_much = tensor | {"data": vast.tolist() if nested else vast.ravel().tolist()}
    assert http.post(INFER, json={"inputs": [too_much]}).status_code == (200 if datatype in ("FP32", "FP64") else 400)


@pytest.mark.parametrize("whole", ["FP64", "INT64"])
def test_what_mlservers_pandas_codec_writes_is_taken(http, whole):
    """NaN for a missing value, and a shape of [n, 1] for a flat column."""
    request = v2_columns(TWO) | {"parameters": {"content_type": "pd"}}
    for item in request["inputs"]:
        item |= {"shape": [2, 1], "parameters": {"content_type": "np"}}
        item["datatype"] = "FP64" if item["name"] == "Annual_Income" else whole
    body = json.dumps(request).replace("null", "NaN")
    assert body.count("NaN") == 2
    answer = http.post(INFER, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert outputs(answer.json()) == outputs(http.post(INFER, json=v2_columns(TWO)).json())


def test_nested_rows_of_fp32_keep_their_order(http):
    rows = [[41.5, 82000.25, 715, 15000, 5, 3, 0], [29, 38000, 480.5, 45000, 20, 9, 1]]
    matrix = {"name": "input-0", "datatype": "FP32", "shape": [2, 7], "data": rows}
    answer = http.post(INFER, json={"inputs": [matrix]})
    assert answer.status_code == 200, answer.text
    assert outputs(answer.json()) == outputs(http.post(INFER, json=v2_columns(np.array(rows))).json())
    first, second = outputs(answer.json())["probability"]
    assert first > second


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (None, "not valid JSON"),
        ("717", "not valid JSON"),
        ("719", "not valid JSON"),
        ("0", "not valid JSON"),
        ("774", "not valid JSON"),
        ("775", "Header Inference-Header-Content-Length is '775', but the body has 774 bytes."),
        (str(2**63), f"Header Inference-Header-Content-Length is '{2**63}', but the body has 774 bytes."),
        ("-1", "Header Inference-Header-Content-Length is '-1', but the body has 774 bytes."),
        ("", "Header Inference-Header-Content-Length is '', but the body has 774 bytes."),
        ("718, 718", "Header Inference-Header-Content-Length is '718, 718', but the body has 774 bytes."),
    ],
)
def test_a_wrong_length_of_the_json_before_binary_tensors(http, wrong, said):
    body, right = binary_request(ROW)
    assert (right["Inference-Header-Content-Length"], len(body)) == ("718", 774)
    headers = {} if wrong is None else {"Inference-Header-Content-Length": wrong}
    answer = http.post(INFER, content=body, headers=headers)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert http.post(INFER, content=body, headers=right).status_code == 200


def test_sizes_of_binary_tensors_that_did_not_come(http):
    body, headers = binary_request(ROW)
    message = json.loads(body[: int(headers["Inference-Header-Content-Length"])])
    content = json.dumps(message).encode()
    for length in ({}, {"Inference-Header-Content-Length": str(len(content))}):
        answer = http.post(INFER, content=content, headers=length)
        assert answer.status_code == 400
        assert "'Age' names 8 bytes of FP64, but 0 were received" in answer.json()["error"]


@pytest.mark.parametrize("length", ["9" * 5000, "0" * 5000 + "9" * 21, "٣", "-1", ""])
def test_a_length_that_no_body_has(http, length):
    answer = http.post(INFER, json=v2_columns(ROW), headers={"Inference-Header-Content-Length": length.encode()})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Header Inference-Header-Content-Length is '")
    assert len(answer.json()["error"]) < 200


def test_a_tensor_is_sent_once(http):
    body, headers = binary_request(ROW)
    length = int(headers["Inference-Header-Content-Length"])
    message = json.loads(body[:length])
    message["inputs"][AGE]["data"] = [41.0]
    head = json.dumps(message).encode()
    answer = http.post(INFER, content=head + body[length:], headers={"Inference-Header-Content-Length": str(len(head))})
    assert answer.status_code == 400
    assert "'Age' has both data and binary_data_size" in answer.json()["error"]


def test_an_object_is_no_number(http):
    answer = http.post(INFER, json=tensor(AGE, data=[{}]))
    assert answer.status_code == 400
    assert "must be a number or an array or null, not an object" in answer.json()["error"]


def test_the_length_of_json_alone_is_that_of_the_body(http):
    content = json.dumps(v2_columns(ROW)).encode()
    answer = http.post(INFER, content=content, headers={"Inference-Header-Content-Length": str(len(content))})
    assert answer.status_code == 200, answer.text
    assert outputs(answer.json()) == outputs(http.post(INFER, json=v2_columns(ROW)).json())


@pytest.mark.parametrize("rows", [2**61, 2**63 - 1, 2**63, 2**64])
@pytest.mark.parametrize("shape", [[7], [1], []], ids=["matrix", "column vector", "column"])
@pytest.mark.parametrize("binary", [False, True])
def test_more_rows_than_a_counter_holds(http, rows, shape, binary):
    name, values = ("x", ROW[0]) if shape == [7] else ("Age", ROW[0, :1])
    tensor = {"name": name, "datatype": "FP64", "shape": [rows, *shape], "data": values.tolist()}
    if binary:
        tensor |= {"data": None, "parameters": {"binary_data_size": values.nbytes}}
    others = [] if shape == [7] else v2_columns(ROW)["inputs"][1:]
    content = json.dumps({"inputs": [tensor, *others]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(content))} if binary else {}
    answer = http.post(INFER, content=content + (values.tobytes() if binary else b""), headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"] == (
        f"Input '{name}' has {rows} rows; this server accepts at most 100000 in one request."
    )


HALF = {
    "id": {"id": "\ud800"} | v2_columns(ROW),
    "the second half as id": {"id": "\udc00"} | v2_columns(ROW),
    "the name of an input": tensor(AGE, name="\ud800"),
    "the datatype of an input": tensor(AGE, datatype="\ud800"),
    "a value": tensor(AGE, data=["\ud800"]),
    "id at the end": v2_columns(ROW) | {"id": "\ud800"},
}


@pytest.mark.parametrize("case", HALF)
def test_half_a_surrogate_pair_is_no_text(http, case):
    content = json.dumps(HALF[case])
    assert "\\ud" in content
    answer = http.post(INFER, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    for word in ("not valid JSON", "surrogate pair", "byte"):
        assert word in answer.json()["error"]


def test_a_whole_surrogate_pair_is_text(http):
    content = json.dumps({"id": "\U0001f600"} | v2_columns(ROW))
    assert "\\ud83d\\ude00" in content
    answer = http.post(INFER, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == "\U0001f600"


def test_whole_numbers_beyond_float64_are_refused_in_binary_too(http):
    body, headers = binary_request(ROW)
    wide = body.replace(b"FP64", b"INT64", 1).replace(ROW[0, :1].tobytes(), np.array([2**53 + 1]).tobytes(), 1)
    length = int(headers["Inference-Header-Content-Length"]) + 1
    answer = http.post(INFER, content=wide, headers={"Inference-Header-Content-Length": str(length)})
    assert answer.status_code == 400
    assert "float64" in answer.json()["error"]


REFUSED = {
    "a region of shared memory": (
        tensor(AGE, data=None, parameters={"shared_memory_region": "r", "shared_memory_byte_size": 8}),
        ["'Age'", "shared memory"],
    ),
    "an output in shared memory": (
        v2_columns(ROW) | {"outputs": [{"name": "probability", "parameters": {"shared_memory_region": "r"}}]},
        ["'probability'", "shared memory"],
    ),
    "a classification": (
        v2_columns(ROW) | {"outputs": [{"name": "probability", "parameters": {"classification": 2}}]},
        ["'probability'", "classification", "decision"],
    ),
    "a shape that is a string": (tensor(AGE, shape="1"), ["`inputs[0].shape`", "an array", "a string"]),
    "a number of rows below zero": (
        {"inputs": [{"name": "x", "datatype": "FP64", "shape": [-1, 7], "data": ROW[0].tolist()}]},
        ["'x'", "-1", "the number of rows"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_this_server_does_not_do_is_said(http, case):
    request, words = REFUSED[case]
    answer = http.post(INFER, json=request)
    assert answer.status_code == 400
    for word in words:
        assert word in answer.json()["error"]


@pytest.mark.parametrize("parameters", [{"config": "{}"}, {"file:1/model.onnx": "AAAA"}])
def test_a_load_that_would_change_the_version_is_refused(http, parameters):
    answer = http.post("/v2/repository/models/loan/load", json={"parameters": parameters})
    assert answer.status_code == 400
    assert "immutable" in answer.json()["error"]
    dependents = {"parameters": {"unload_dependents": False, "version": "v1"}}
    assert http.post("/v2/repository/models/loan/load", json=dependents).status_code == 200
    assert http.post("/v2/repository/models/loan/load", json={"parameters": {"version": 3}}).status_code == 400
    http.post("/v2/repository/models/loan/load")


def test_a_byte_order_mark_is_read_over(http):
    for path, body in ((INFER, v2_columns(ROW)), ("/predict", APPLICANT)):
        content = b"\xef\xbb\xbf" + json.dumps(body).encode()
        answer = http.post(path, content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 200, answer.text


FIELDS = {
    "text for a number": ("/predict", APPLICANT | {"Age": "35"}, ["Application 0", "'Age'", '"35"', "a string", "18"]),
    "a field too many": ("/predict", APPLICANT | {"Height": "tall"}, ["Application 0", "unknown field 'Height'"]),
    "a list for a number": ("/predict", APPLICANT | {"Age": [35]}, ["'Age'", "[35]", "an array"]),
    "a truth for a number": ("/predict", APPLICANT | {"Age": True}, ["'Age'", "true", "a boolean"]),
    "an array for one": ("/predict", [APPLICANT], ["Application 0", "an array", "object"]),
    "the second of a batch": ("/predict_batch", [APPLICANT, APPLICANT | {"Age": "x"}], ["Application 1", "'Age'"]),
    "one for a batch": ("/predict_batch", APPLICANT, ["array", "one application"]),
    "a text for a batch": ("/predict_batch", "x", ["array of applications", "a string"]),
    "a number for a column": (
        "/predict_batch",
        {name: [value] for name, value in APPLICANT.items()} | {"Age": 3},
        ["'Age'", "an integer", "array"],
    ),
    "a text in a column": (
        "/predict_batch",
        {name: [value] for name, value in APPLICANT.items()} | {"Age": ["x"]},
        ["'Age'", "application 0", '"x"'],
    ),
    "pandas' own orientation": (
        "/predict_batch",
        {name: {"0": value} for name, value in APPLICANT.items()},
        ["'Age'", 'orient="columns"', 'orient="records"'],
    ),
}


@pytest.mark.parametrize("case", FIELDS)
def test_a_wrong_field_of_the_plain_api_is_named(http, case):
    path, body, words = FIELDS[case]
    answer = http.post(path, json=body)
    assert answer.status_code == 400
    for word in words:
        assert word in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize("many", [False, True])
def test_a_field_that_stands_twice_is_refused(http, many):
    body = json.dumps(APPLICANT)[:-1] + ', "Age": 30}'
    path, content = ("/predict_batch", f"[{body}]") if many else ("/predict", body)
    answer = http.post(path, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "'Age' occurs twice" in answer.json()["error"]


def test_sentences_are_english(http):
    answer = http.post("/train", json={"seed": "x"})
    assert answer.json()["error"] == "Training cannot use these parameters: `seed` must be an integer, not a string."
    answer = http.post("/promote", json={"version": 3})
    assert answer.json()["error"] == "The promotion cannot be used: `version` must be a string, not an integer."
    answer = http.post("/promote", json={"version": "v1", "reason": "x", "by": "me"})
    assert answer.json()["error"] == "The promotion cannot be used: it has the unknown field `by`."
    answer = http.post(INFER, content=b"{}", headers={"content-type": "application/json"})
    assert answer.json()["error"] == "The request cannot be used: it lacks field `inputs`."
