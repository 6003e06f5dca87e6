"""Categories and booleans through every endpoint: the same scores as the matrix of their codes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pandas as pd
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from model_server.codecs.v2_rest import length_prefixed
from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tests import second_model
from tests.model_server.serving import Server, infer_by_grpc, outputs, sent, serving, v2_frame

COLUMNS = second_model.DECLARATION.columns
TRUTHS = {"yes": 1.0, "no": 0.0}


@pytest.fixture(scope="module")
def registry(cards_registry: Path) -> Path:
    return cards_registry


@pytest.fixture(scope="module")
def server(registry: Path) -> Iterator[Server]:
    with serving(registry) as running:
        yield running


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return second_model.generate(40, seed=5)


@pytest.fixture(scope="module")
def expected(registry: Path, rows: pd.DataFrame) -> list[float]:
    model = TabularModel.from_registry(Registry.open(registry), "v1")
    matrix = np.full((len(rows), len(COLUMNS)), np.nan)
    for index, column in enumerate(COLUMNS):
        codes = TRUTHS if column.type == "boolean" else {level: i for i, level in enumerate(column.levels)}
        matrix[:, index] = rows[column.name].map(codes) if codes else rows[column.name]
    found: list[float] = model.score(matrix).probability.tolist()
    return found


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {column.name: sent(row[column.name], column) for column in COLUMNS} for row in rows.to_dict(orient="records")
    ]


def v2(rows: pd.DataFrame) -> dict[str, Any]:
    request = v2_frame(rows, COLUMNS)
    for item in request["inputs"]:
        item["shape"] = [len(rows), 1]
    return request


def test_v2_json(http: httpx.Client, rows: pd.DataFrame, expected: list[float]) -> None:
    answer = http.post("/v2/models/credit-card/infer", json=v2(rows))
    assert answer.status_code == 200, answer.text
    assert outputs(answer.json())["probability"] == expected


def test_one_row_of_v2_json_as_many(http: httpx.Client, rows: pd.DataFrame, expected: list[float]) -> None:
    answers = [http.post("/v2/models/credit-card/infer", json=v2(rows[i : i + 1])).json() for i in range(5)]
    assert np.allclose([outputs(answer)["probability"][0] for answer in answers], expected[:5], atol=1e-12)


def test_v2_json_with_a_list_for_each_row(http: httpx.Client, rows: pd.DataFrame, expected: list[float]) -> None:
    request = v2(rows)
    for item in request["inputs"]:
        item["data"] = [[cell] for cell in item["data"]]
    assert outputs(http.post("/v2/models/credit-card/infer", json=request).json())["probability"] == expected


def test_mlservers_pandas_convention(http: httpx.Client, rows: pd.DataFrame, expected: list[float]) -> None:
    request = v2(rows) | {"parameters": {"content_type": "pd"}}
    for item in request["inputs"]:
        item["parameters"] = {"content_type": "str" if item["datatype"] == "BYTES" else "np"}
    assert outputs(http.post("/v2/models/credit-card/infer", json=request).json())["probability"] == expected


def test_v2_binary(http: httpx.Client, rows: pd.DataFrame, expected: list[float]) -> None:
    complete = rows.copy()
    head: list[dict[str, Any]] = []
    blobs = []
    for column in COLUMNS:
        cells = complete[column.name]
        if column.type == "category":
            datatype, blob = "BYTES", length_prefixed([b"" if pd.isna(cell) else cell.encode() for cell in cells])
        elif column.type == "boolean":  # which has no missing value in this form: FP64 has
            datatype, blob = "FP64", cells.map(TRUTHS).to_numpy("<f8").tobytes()
        else:
            datatype, blob = "FP64", cells.to_numpy("<f8").tobytes()
        blobs.append(blob)
        size = {"binary_data_size": len(blob)}
        head.append({"name": column.name, "datatype": datatype, "shape": [len(rows)], "parameters": size})
    message = httpx.Request("POST", "http://x", json={"inputs": head}).content
    headers = {"inference-header-content-length": str(len(message)), "content-type": "application/octet-stream"}
    answer = http.post("/v2/models/credit-card/infer", content=message + b"".join(blobs), headers=headers)
    assert answer.status_code == 200, answer.text
    assert outputs(answer.json())["probability"] == expected


@pytest.mark.parametrize("raw", [False, True])
def test_grpc(server: Server, rows: pd.DataFrame, expected: list[float], raw: bool) -> None:
    request = pb.ModelInferRequest(model_name="credit-card")
    for column in COLUMNS:
        cells = rows[column.name]
        if column.type == "category":
            item = request.inputs.add(name=column.name, datatype="BYTES", shape=[len(rows)])
            elements = [b"" if pd.isna(cell) else cell.encode() for cell in cells]
            if raw:
                request.raw_input_contents.append(length_prefixed(elements))
            else:
                item.contents.bytes_contents.extend(elements)
            continue
        item = request.inputs.add(name=column.name, datatype="FP64", shape=[len(rows)])
        numbers = (cells.map(TRUTHS) if column.type == "boolean" else cells).to_numpy(np.float64)
        if raw:
            request.raw_input_contents.append(numbers.tobytes())
        else:
            item.contents.fp64_contents.extend(numbers)
    answer = infer_by_grpc(server.grpc_target, request)
    found = np.frombuffer(answer.raw_output_contents[0]) if raw else answer.outputs[0].contents.fp64_contents
    assert list(found) == expected


def test_plain_json(http: httpx.Client, rows: pd.DataFrame, expected: list[float]) -> None:
    applications = records(rows)
    assert http.post("/predict_batch", json=applications).json()["probabilities"] == expected
    by_column = {column.name: [each[column.name] for each in applications] for column in COLUMNS}
    assert http.post("/predict_batch", json=by_column).json()["probabilities"] == expected
    one = http.post("/predict?explain=true", json=applications[0]).json()
    assert one["probability"] == pytest.approx(expected[0], abs=1e-12)
    assert one["reason_codes"]


def test_metadata_says_what_is_expected(http: httpx.Client) -> None:
    inputs = {each["name"]: each for each in http.get("/v2/models/credit-card").json()["inputs"]}
    assert inputs["gender"]["datatype"] == "BYTES"
    assert inputs["gender"]["parameters"]["levels"] == ["female", "male"]
    assert inputs["owns_home"]["datatype"] == "BOOL"
    assert inputs["balance 0"]["parameters"] == {"missing": True, "range": [-5.0, 5.0], "unit": "EUR"}


def test_the_example_of_openapi_is_answered(http: httpx.Client) -> None:
    described = http.get("/openapi.json?version=v1").json()["components"]["schemas"]["Application"]
    (example,) = described["examples"]
    assert http.post("/predict", json=example).status_code == 200
    assert described["properties"]["word_0"]["enum"] == ["level a", "level b", None]


def test_an_unknown_level_is_counted_or_refused(http: httpx.Client, rows: pd.DataFrame) -> None:
    application = records(rows)[0]
    accepted = http.post("/predict", json=application | {"word_1": "level of another"})
    assert accepted.status_code == 200
    assert 'loan_unknown_levels_total{column="word_1",version="v1"} 1.0' in http.get("/metrics").text
    refused = http.post("/predict", json=application | {"word_2": "level of another"})
    assert refused.status_code == 400
    assert refused.json()["error"] == (
        "Input 'word_2', row 0: 'level of another' is not a level of this column; expected one of level a, level b, "
        "level c, level d, level e, level f, level g, level h."
    )


@pytest.mark.parametrize(
    ("column", "sent", "said"),
    [
        ("balance 0", "0.5", "Input 'balance 0' holds the text '0.5'; expected numbers."),
        ("owns_home", "yes", "Input 'owns_home' has datatype BOOL but holds 'yes'"),
        ("owns_home", 3, "Input 'owns_home', row 0: 3 is out of range"),
        ("gender", True, "Input 'gender', row 0: True is not a level of this column"),
        ("months", True, "Input 'months' "),
    ],
)
def test_a_value_of_another_kind_is_refused_by_name(
    http: httpx.Client, rows: pd.DataFrame, column: str, sent: Any, said: str
) -> None:
    answer = http.post("/predict", json=records(rows)[0] | {column: sent})
    if column == "owns_home" and sent == 3:
        assert answer.status_code == 200  # counted, as every value out of range is
        return
    assert answer.status_code == 400, answer.text
    assert column in answer.json()["error"]


def test_half_a_surrogate_pair_is_no_level(http: httpx.Client, rows: pd.DataFrame) -> None:
    request = v2(rows[:1])
    next(item for item in request["inputs"] if item["name"] == "gender")["data"] = ["\ud800"]
    application = records(rows)[0] | {"gender": "\ud800"}
    for path, body in (("/v2/models/credit-card/infer", request), ("/predict", application)):
        content = json.dumps(body)
        assert '"\\ud800"' in content
        answer = http.post(path, content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 400
        for word in ("not valid JSON", "surrogate pair", "byte"):
            assert word in answer.json()["error"]


def test_a_level_that_is_no_utf_8(server: Server, rows: pd.DataFrame) -> None:
    request = pb.ModelInferRequest(model_name="credit-card")
    request.inputs.add(name="gender", datatype="BYTES", shape=[1]).contents.bytes_contents.append(b"\xed\xa0\x80")
    with pytest.raises(grpc.RpcError) as refused:
        infer_by_grpc(server.grpc_target, request)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == "Input 'gender' contains b'\\xed\\xa0\\x80', which is not UTF-8 text."


def test_one_matrix_is_for_numbers_only(http: httpx.Client) -> None:
    tensor = {"name": "all", "datatype": "FP64", "shape": [1, 30], "data": [0.0] * 30}
    answer = http.post("/v2/models/credit-card/infer", json={"inputs": [tensor]})
    assert answer.status_code == 400
    assert "not all columns are numbers; send one tensor for each of 'balance 0'" in answer.json()["error"]
