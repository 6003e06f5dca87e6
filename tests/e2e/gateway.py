"""Asking the model through the Gateway, once or steadily."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Self

import grpc
import httpx
import numpy as np
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from loan_model.synthetic import LOAN, generate
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
        {name: None if np.isnan(value) else value for name, value in zip(LOAN.schema.names, row, strict=True)}
        for row in rows.tolist()
    ]
    with client() as http:
        answer = http.post("/predict_batch", json=records).raise_for_status().json()
    return answer["model_version"], answer["probabilities"]


class Load(AbstractContextManager["Load"]):
    """Who asks from loopback until it is left, in a thread each, with a pause between two requests."""

    MOST_SECONDS = 600

    def __init__(self, askers: Sequence[Callable[[int], None]], pause: float) -> None:
        """An asker is told its number, and asks by `repeat`."""
        self.versions: Counter[str] = Counter()
        self.failed: list[str] = []
        self._pause = pause
        self._stop = threading.Event()
        self._askers = [threading.Thread(target=ask, args=(number,)) for number, ask in enumerate(askers)]

    def __enter__(self) -> Self:
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

    def repeat(self, ask: Callable[[Any], str], questions: Sequence[Any], number: int) -> None:
        """Asks questions at random until it is left; `ask` gives the version that answered.

        Not in turn: the Gateway gives the canary every tenth request, which of 500 questions would be the same 50.
        """
        chance = random.Random(number)
        end = time.monotonic() + self.MOST_SECONDS
        while not self._stop.wait(self._pause) and time.monotonic() < end:
            try:
                self.versions[ask(chance.choice(questions))] += 1
            except (httpx.HTTPError, grpc.RpcError) as error:
                self.failed.append(repr(error)[:300])


class Callers(Load):
    """Two callers of `model` over V2, who send some eighty of the `bodies` a second."""

    def __init__(self, model: str, bodies: Sequence[bytes]) -> None:
        super().__init__([self._ask] * 2, pause=0.02)
        self._path = f"/v2/models/{model}/infer"
        self._bodies = bodies

    def _ask(self, number: int) -> None:
        with client() as http:
            self.repeat(lambda body: _version(http.post(self._path, content=body)), self._bodies, number)


class SteadyLoad(Load):
    """Applications, half of them by REST and half by gRPC: some forty a second."""

    def __init__(self, pause: float = 0.05, pairs: int = 1, host: str = HOST) -> None:
        super().__init__([self._ask_rest, self._ask_grpc] * pairs, pause)
        self._host = host
        self._rows = generate(2000, 7)[list(LOAN.schema.names)].to_numpy(dtype=np.float64)

    def _ask_rest(self, number: int) -> None:
        with httpx.Client(base_url=f"http://{GATEWAY}", headers={"host": self._host}, timeout=30) as http:

            def ask(row: np.ndarray) -> str:
                data = [None if np.isnan(value) else value for value in row.tolist()]
                body = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 7], "data": data}]}
                return _version(http.post("/v2/models/loan/infer", json=body))

            self.repeat(ask, self._rows, number)

    def _ask_grpc(self, number: int) -> None:
        options = [("grpc.default_authority", self._host), ("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(GATEWAY, options=options) as channel:
            stub = GRPCInferenceServiceStub(channel)

            def ask(row: np.ndarray) -> str:
                request = pb.ModelInferRequest(model_name="loan")
                request.inputs.add(name="x", datatype="FP64", shape=[1, 7])
                request.raw_input_contents.append(row.tobytes())
                return stub.ModelInfer(request, timeout=30).model_version

            self.repeat(ask, self._rows, number)


def _version(answer: httpx.Response) -> str:
    if not answer.is_success:
        raise httpx.HTTPError(f"{answer.status_code} {answer.text}")
    version: str = answer.json()["model_version"]
    return version
