"""Clients that were not written here get the same answers."""

import asyncio
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

from loan_model.synthetic import LOAN


def kserve_request(matrix, binary):
    inputs = []
    for index, column in enumerate(LOAN.columns):
        item = InferInput(column.name, [len(matrix)], "FP64")
        item.set_data_from_numpy(np.ascontiguousarray(matrix[:, index]), binary_data=binary)
        inputs.append(item)
    return InferRequest(model_name="loan", infer_inputs=inputs)


@pytest.mark.parametrize("binary", [False, True], ids=["json", "binary"])
def test_kserve_rest_client(server, latest, matrix, binary):
    async def ask():
        client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30))
        assert await client.is_server_live(server.url)
        assert await client.is_server_ready(server.url)
        assert await client.is_model_ready(server.url, "loan")
        request = kserve_request(matrix, binary)
        if not binary:
            for item in request.inputs:
                item.data = [None if np.isnan(value) else value for value in item.as_numpy().tolist()]
        answer = await client.infer(server.url, request, model_name="loan")
        await client.close()
        return answer

    answer = asyncio.run(ask())
    assert answer.outputs[0].as_numpy().tolist() == expected(latest, matrix)


def test_kserve_grpc_client(server, latest, matrix):
    async def ask():
        client = InferenceGRPCClient(server.grpc_target)
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("loan")
        answer = await client.infer(kserve_request(matrix, True))
        await client.close()
        return answer

    assert asyncio.run(ask()).outputs[0].as_numpy().tolist() == expected(latest, matrix)


def test_triton_clients(server):
    """In a process of their own: their protobuf messages have the names of KServe's."""
    script = Path(__file__).with_name("triton_clients.py")
    command = [sys.executable, str(script), server.url.removeprefix("http://"), server.grpc_target]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "all equal"


def expected(model, matrix):
    return model.score(matrix).probability.tolist()
