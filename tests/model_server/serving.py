"""A real server in a process of its own, and what to ask it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pandas as pd
import uvloop
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from numpy.typing import NDArray

from loan_model.synthetic import LOAN
from model_server.access import Access
from model_server.access.tokens import TokensFile
from model_server.controlplane import ControlPlane
from model_server.dataplane import DataPlane
from model_server.metrics import Metrics
from model_server.monitor_gauges import MonitorGauges
from model_server.overload.admission import Admission
from model_server.overload.connections import ConnectionLimits
from model_server.overload.threads import ThreadPools
from model_server.predictions import Predictions
from model_server.repository import ModelRepository
from model_server.rest.app import RestApp
from model_server.rest.routes import ROUTES, endpoints
from model_server.rest.routing import Router
from model_server.rest.server import RestServer
from model_server.settings import ServerSettings
from tabular_model.registry import Registry
from tabular_model.schema import Column
from training_job.launch import ProcessLauncher

APPLICANT = {
    "Age": 41,
    "Annual_Income": 82000,
    "Credit_Score": 715,
    "Loan_Amount": 15000,
    "Loan_Duration_Years": 5,
    "Number_of_Open_Accounts": 3,
    "Had_Past_Default": 0,
}

EVERYTHING = "predict train load promote"  # for tests of something else than access
PATIENCE = 60  # seconds in the queue, where what is tried is not overload and the machine may be busy


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A running `loan serve`."""

    def __init__(self, registry: Path, live_at: str = "127.0.0.1", **settings: Any) -> None:
        self.http_port, self.grpc_port = free_port(), free_port()
        self.url = f"http://{live_at}:{self.http_port}"
        self.grpc_target = f"127.0.0.1:{self.grpc_port}"
        chosen = {
            "registry": registry,
            "host": "127.0.0.1",
            "anyone_may": EVERYTHING,
            "queue_seconds": PATIENCE,
            "http_port": self.http_port,
            "grpc_port": self.grpc_port,
            **settings,
        }
        environment = {f"LOAN_{name.upper()}": str(value) for name, value in chosen.items()}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "loan_cli", "serve"],
            env=os.environ | environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )

    def wait_until_live(self) -> None:
        for _ in range(600):
            assert self.process.poll() is None, self.process.stderr.read()  # type: ignore[union-attr]
            try:
                httpx.get(f"{self.url}/v2/health/live")
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError(f"no answer from {self.url}")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


@contextmanager
def serving(registry: Path, **settings: Any) -> Iterator[Server]:
    server = Server(registry, **settings)
    try:
        server.wait_until_live()
        yield server
    finally:
        server.process.kill()
        server.process.communicate()


@contextmanager
def in_process(registry: Path, **settings: Any) -> Iterator[httpx.Client]:
    """The same endpoints on a port of their own, in a thread instead of a process, for what needs no process."""
    fixed = {"registry": str(registry), "host": "127.0.0.1", "http_port": free_port()}
    chosen = ServerSettings(**{"anyone_may": EVERYTHING, "queue_seconds": PATIENCE, **fixed, **settings})
    metrics = Metrics()
    opened = Registry.open(registry, create=True, verify_key=chosen.verify_key)
    repository = ModelRepository(opened, chosen, metrics)
    plane = DataPlane(repository, metrics)
    launcher = ProcessLauncher(chosen.registry, chosen.train_data, chosen.train_sources)
    repository.open()
    repository.follow()
    gauges = MonitorGauges.of(chosen, metrics)
    access = Access(TokensFile(chosen.tokens), chosen.anyone_may)
    control = ControlPlane(opened, repository, launcher)
    pools = ThreadPools(chosen.queue_seconds)
    answering = endpoints(plane, control, chosen, pools, Predictions(plane, pools), metrics.exposition)
    app = RestApp(Router(ROUTES, answering), metrics, access, Admission(chosen.queue_seconds, metrics), "http")
    server = RestServer(app, chosen, ConnectionLimits(chosen))
    thread = threading.Thread(target=lambda: uvloop.run(server.serve()))
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{chosen.http_port}", timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        repository.stop()
        if gauges:
            gauges.stop()


def v2_columns(matrix: NDArray[np.float64]) -> dict[str, Any]:
    """The V2 JSON of a matrix, a tensor for each column, null for missing."""
    return {
        "inputs": [
            {
                "name": column.name,
                "datatype": "FP64",
                "shape": [len(matrix)],
                "data": [None if np.isnan(value) else value for value in matrix[:, index].tolist()],
            }
            for index, column in enumerate(LOAN.columns)
        ]
    }


DATATYPES = {"number": "FP64", "integer": "INT64", "boolean": "BOOL", "category": "BYTES"}


def sent(cell: Any, column: Column) -> Any:
    """A cell of a data set as JSON has it."""
    if pd.isna(cell):
        return None
    return cell in ("yes", "true", True) if column.type == "boolean" else cell


def v2_frame(rows: pd.DataFrame, columns: Sequence[Column]) -> dict[str, Any]:
    """The V2 JSON of a data set's rows, a tensor of its natural datatype for each column."""
    return {
        "inputs": [
            {
                "name": column.name,
                "datatype": DATATYPES[column.type],
                "shape": [len(rows)],
                "data": [sent(cell, column) for cell in rows[column.name].tolist()],
            }
            for column in columns
        ]
    }


def infer_by_grpc(target: str, request: Any) -> Any:
    """The answer to one call on a connection of its own."""
    with grpc.insecure_channel(target) as channel:
        return GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=30)


def outputs(answer: dict[str, Any]) -> dict[str, list[Any]]:
    return {output["name"]: output["data"] for output in answer["outputs"]}
