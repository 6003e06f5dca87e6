"""A pipeline of one's own with many columns: its reasons are estimates, and every endpoint says how sure they are."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tests import second_model
from tests.model_server.serving import Server, infer_by_grpc, outputs, serving
from training_job.progress import Progress
from training_job.run import Training, run_training

NULLS = {
    "inputs": [
        {
            "name": column.name,
            "datatype": "BYTES" if column.type == "category" else "FP64",
            "shape": [1],
            "data": [None if column.missing else column.minimum],
        }
        for column in second_model.DECLARATION.columns
    ]
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder = tmp_path_factory.mktemp("own")
    _, data = second_model.write(folder, 1000)
    (folder / "model.py").write_text(second_model.PIPELINE)
    made = Registry.open(folder / "registry", create=True)
    run_training(Training(data=str(data), declaration=second_model.DECLARATION, folder=folder), made, Progress())
    return made


@pytest.fixture(scope="module")
def server(registry: Registry) -> Iterator[Server]:
    with serving(Path(str(registry.url).removeprefix("file://"))) as running:
        yield running


@pytest.fixture(scope="module")
def expected(registry: Registry) -> float:
    model = TabularModel.from_registry(registry, "v1")
    row = np.array([[np.nan if column.missing else column.minimum for column in model.columns]])
    error = model.reasons(row).standard_error
    assert error is not None
    assert 0 < error < 1
    return error


def test_rest(server: Server, expected: float) -> None:
    url = f"{server.url}/v2/models/credit-card/infer"
    answer = httpx.post(url, json=NULLS | {"parameters": {"explain": True}}, timeout=30).json()
    assert answer["parameters"] == {"reason_standard_error": expected}
    assert any(outputs(answer)["reason_codes"])
    assert "parameters" not in httpx.post(url, json=NULLS, timeout=30).json()


def test_grpc(server: Server, expected: float) -> None:
    request = pb.ModelInferRequest(model_name="credit-card")
    request.parameters["explain"].bool_param = True
    for tensor in NULLS["inputs"]:
        item = request.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=[1])
        (value,) = tensor["data"]
        if tensor["datatype"] == "BYTES":
            item.contents.bytes_contents.append(b"")
        else:
            item.contents.fp64_contents.append(np.nan if value is None else value)
    answer = infer_by_grpc(server.grpc_target, request)
    assert float(answer.parameters["reason_standard_error"].string_param) == expected


def test_plain_json(server: Server, expected: float) -> None:
    application = {tensor["name"]: tensor["data"][0] for tensor in NULLS["inputs"]}
    one = httpx.post(f"{server.url}/predict?explain=true", json=application, timeout=30).json()
    assert one["reason_standard_error"] == expected
    many = httpx.post(f"{server.url}/predict_batch?explain=true", json=[application] * 2, timeout=30).json()
    assert many["reason_standard_error"] == expected
    assert len(many["reason_codes"]) == 2
