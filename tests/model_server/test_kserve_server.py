"""The predictor inside a real server of KServe's, started by the program that docs/kserve.md shows."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import grpc
import httpx
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from tests.model_server.serving import free_port, v2_columns
from tests.test_readme import blocks

ROOT = Path(__file__).parents[2]
((_, PROGRAM),) = blocks((ROOT / "docs/kserve.md").read_text(), "python")


@pytest.fixture(scope="module")
def kserve_server(trained_registry, tmp_path_factory):
    log = tmp_path_factory.mktemp("kserve") / "log"
    http, rpc = free_port(), free_port()
    command = [sys.executable, "-c", PROGRAM, f"--http_port={http}", f"--grpc_port={rpc}"]
    environment = os.environ | {"LOAN_REGISTRY": str(trained_registry), "PYTHONPATH": str(ROOT)}
    with (
        log.open("w") as output,
        subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{http}", timeout=30) as client,
        grpc.insecure_channel(f"127.0.0.1:{rpc}") as channel,
    ):
        try:
            end = time.monotonic() + 90
            while not answers(client):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.1)
            yield SimpleNamespace(http=client, rpc=GRPCInferenceServiceStub(channel))
        finally:
            process.kill()


def answers(client):
    try:
        return client.get("/v2/models/loan/ready").status_code == 200
    except httpx.TransportError:
        return False


def close(found, model, matrix):
    return found == pytest.approx(model.score(matrix).probability.tolist(), abs=1e-12)


def test_v2_over_rest_gives_the_models_own_probabilities(kserve_server, latest, matrix):
    answer = kserve_server.http.post("/v2/models/loan/infer", json=v2_columns(matrix))
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["model_name"], found["model_version"]) == ("loan", "v2")
    outputs = {output["name"]: output for output in found["outputs"]}
    assert close(outputs["probability"]["data"], latest, matrix)
    assert outputs["decision"]["shape"] == [20]


def test_v2_over_grpc_gives_the_same_and_of_the_version_asked_for(kserve_server, model, matrix):
    asked = pb.ModelInferRequest(model_name="loan", model_version="v1", raw_input_contents=[matrix.tobytes()])
    asked.inputs.add(name="applications", datatype="FP64", shape=matrix.shape)
    answer = kserve_server.rpc.ModelInfer(asked, timeout=30)
    assert answer.model_version == "v1"
    (probability,) = (output for output in answer.outputs if output.name == "probability")
    assert close(list(probability.contents.fp64_contents), model, matrix)


def test_what_is_wrong_is_said_by_kserves_error(kserve_server):
    tensor = {"name": "applications", "datatype": "FP64", "shape": [1, 3], "data": [1.0, 2.0, 3.0]}
    answer = kserve_server.http.post("/v2/models/loan/infer", json={"inputs": [tensor]})
    assert (answer.status_code, "applications" in answer.json()["error"]) == (400, True), answer.text
    asked = pb.ModelInferRequest(model_name="loan", model_version="v9")
    with pytest.raises(grpc.RpcError, match="v9") as raised:
        kserve_server.rpc.ModelInfer(asked, timeout=30)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_metadata_of_the_model_over_both(kserve_server):
    rest = kserve_server.http.get("/v2/models/loan").json()
    rpc = kserve_server.rpc.ModelMetadata(pb.ModelMetadataRequest(name="loan"), timeout=30)
    assert [item["name"] for item in rest["inputs"]] == [item.name for item in rpc.inputs]
