"""Asking the model through the Gateway, once or steadily."""

import threading
import time
from collections import Counter
from contextlib import AbstractContextManager
from typing import Any

import grpc
import httpx
import numpy as np
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from loan_model.schema import SCHEMA
from tests.e2e.cluster import GATEWAY, HOST

ROWS = np.array(
    [
        [41, 82000, 715, 15000, 5, 3, 0],
        [np.nan, 38000, np.nan, 45000, 20, 9, 1],
        [67, 199000, 849, 5000, 1, 0, 0],
        [18, 30000, 300, 50000, 30, 15, 1],
    ],
    dtype=np.float64,
)


def client(**options: Any) -> httpx.Client:
    return httpx.Client(base_url=f"http://{GATEWAY}", headers={"host": HOST}, timeout=30, **options)


def by_v2_rest(rows: np.ndarray = ROWS) -> tuple[str, list[float]]:
    """The version that answered and its probabilities."""
    data = [None if np.isnan(value) else value for value in rows.ravel().tolist()]
    body = {"inputs": [{"name": "x", "datatype": "FP64", "shape": list(rows.shape), "data": data}]}
    with client() as http:
        answer = http.post("/v2/models/loan/infer", json=body).raise_for_status().json()
    return answer["model_version"], answer["outputs"][0]["data"]


def by_v2_grpc(rows: np.ndarray = ROWS) -> tuple[str, list[float]]:
    request = pb.ModelInferRequest(model_name="loan")
    request.inputs.add(name="x", datatype="FP64", shape=rows.shape)
    request.raw_input_contents.append(np.ascontiguousarray(rows).tobytes())
    with grpc.insecure_channel(GATEWAY, options=[("grpc.default_authority", HOST)]) as channel:
        answer = GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=30)
    return answer.model_version, np.frombuffer(answer.raw_output_contents[0]).tolist()


def by_plain_json(rows: np.ndarray = ROWS) -> tuple[str, list[float]]:
    records = [
        {name: None if np.isnan(value) else value for name, value in zip(SCHEMA.names, row, strict=True)}
        for row in rows.tolist()
    ]
    with client() as http:
        answer = http.post("/predict_batch", json=records).raise_for_status().json()
    return answer["model_version"], answer["probabilities"]


class SteadyLoad(AbstractContextManager["SteadyLoad"]):
    """Some forty requests a second from loopback, half of them REST and half gRPC, until it is left."""

    PAUSE = 0.05
    MOST_SECONDS = 300

    def __init__(self) -> None:
        self.versions: Counter[str] = Counter()
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._askers = [threading.Thread(target=self._ask_rest), threading.Thread(target=self._ask_grpc)]

    def __enter__(self) -> "SteadyLoad":
        for asker in self._askers:
            asker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for asker in self._askers:
            asker.join()

    @property
    def sent(self) -> int:
        return self.versions.total() + len(self.failed)

    def _ask_rest(self) -> None:
        body = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 7], "data": ROWS[0].tolist()}]}
        with client() as http:
            self._repeat(lambda: _version(http.post("/v2/models/loan/infer", json=body)))

    def _ask_grpc(self) -> None:
        request = pb.ModelInferRequest(model_name="loan")
        request.inputs.add(name="x", datatype="FP64", shape=[1, 7])
        request.raw_input_contents.append(ROWS[:1].tobytes())
        with grpc.insecure_channel(GATEWAY, options=[("grpc.default_authority", HOST)]) as channel:
            stub = GRPCInferenceServiceStub(channel)
            self._repeat(lambda: stub.ModelInfer(request, timeout=30).model_version)

    def _repeat(self, ask: Any) -> None:
        end = time.monotonic() + self.MOST_SECONDS
        while not self._stop.wait(self.PAUSE) and time.monotonic() < end:
            try:
                self.versions[ask()] += 1
            except (httpx.HTTPError, grpc.RpcError) as error:
                self.failed.append(repr(error)[:300])


def _version(answer: httpx.Response) -> str:
    version: str = answer.raise_for_status().json()["model_version"]
    return version
