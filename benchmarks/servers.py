"""The servers that are measured: how each is installed, started and asked."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil

from benchmarks import payloads
from benchmarks.load import CACHE, SERVER_CORE, Body, on

ROOT = Path(__file__).parents[1]
PEERS = Path(__file__).parent / "peers"
BIN = Path(sys.executable).parent
# A server has as many processes as it is to have; threads of numeric libraries would only take the cores from them.
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
# The model is a pickle, so that who loads it needs the scikit-learn that made it, or ONNX.
SCORERS = tuple(f"{package}=={version(package)}" for package in ("scikit-learn", "joblib", "onnxruntime"))


class Server(NamedTuple):
    """One server under one choice of its settings. `{model}`, `{registry}`, `{http}`, `{grpc}` and `{metrics}` in its
    command and environment are filled in."""

    name: str
    packages: tuple[str, ...]
    command: str
    path: str = ""
    body: Callable[[int], Body] | None = None
    environment: str = ""
    speaks_grpc: bool = False
    speaks_binary: bool = False
    settings: str = ""
    model: str = "model.joblib"
    registry: str = ""  # of its own, within the cache, where it is not asked for the shipped model

    @property
    def title(self) -> str:
        return ", ".join(filter(None, (self.name, self.settings)))

    @property
    def home(self) -> Path:
        return CACHE / self.name.replace(" ", "-").lower()

    @property
    def log(self) -> Path:
        return CACHE / f"{self.title.replace(' ', '-').replace(',', '').lower()}.log"


def with_onnx(server: Server) -> Server:
    """The same with the model as ONNX."""
    return server._replace(model="model.onnx", settings=f"{server.settings}, ONNX")


INFER = "/v2/models/loan/infer"
OURS = Server(
    "loan",
    (),
    "{bin}/loan serve --registry {registry} --http-port {http} --grpc-port {grpc}",
    INFER,
    payloads.v2,
    environment="LOAN_HOST=127.0.0.1",
    speaks_grpc=True,
    speaks_binary=True,
    settings="workers 1",
)
KSERVE = Server(
    "KServe predictor",
    ("kserve==0.21.0", *SCORERS),
    "{home}/bin/python {peers}/kserve_predictor.py {model} {http} {grpc} 1",
    INFER,
    payloads.v2,
    speaks_grpc=True,
    speaks_binary=True,
    settings="workers 1, uvloop and httptools",
)
KSERVE_ONNX = with_onnx(KSERVE)
KSERVE_WORKERS = KSERVE._replace(
    command=KSERVE.command.removesuffix("1") + "2", settings="workers 2, uvloop and httptools"
)
BARE_HTTP = Server(
    "bare uvicorn",
    ("uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0"),
    "{home}/bin/python {peers}/bare_http.py {http}",
    INFER,
    payloads.v2,
    settings="workers 1, uvloop and httptools",
)
BARE_PROTOCOL = BARE_HTTP._replace(
    command="{home}/bin/python {peers}/bare_protocol.py {http}", settings="no ASGI: httptools on uvloop"
)
# MLServer takes up uvloop by itself, whose newer versions end its parallel workers; its uvicorn takes httptools.
_MLSERVER = (
    "MLSERVER_HOST=127.0.0.1 MLSERVER_HTTP_PORT={http} MLSERVER_GRPC_PORT={grpc} MLSERVER_METRICS_PORT={metrics} "
    "MLSERVER_DEBUG=false MLSERVER_ACCESS_LOG=false MLSERVER_METRICS_DIR={cache} PYTHONPATH={peers} "
    "MLSERVER_PARALLEL_WORKERS="
)
MLSERVER, MLSERVER_PARALLEL, MLSERVER_PARALLEL_2 = (
    Server(
        "MLServer",
        ("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "uvloop==0.21.0", "httptools==0.9.0", *SCORERS),
        "{home}/bin/mlserver start {mlserver}",
        INFER,
        lambda rows: payloads.v2(rows, "predict_proba"),
        environment=f"{_MLSERVER}{workers}",
        settings=f"parallel_workers {workers}, uvloop and httptools",
    )
    for workers in (0, 1, 2)
)
MLSERVER_ONNX = with_onnx(MLSERVER)._replace(body=payloads.v2)
FASTAPI, FASTAPI_WORKERS = (
    Server(
        "FastAPI and pandas",
        ("fastapi==0.165.0", "uvicorn[standard]==0.54.0", "pandas==2.3.3", *SCORERS),
        "{home}/bin/uvicorn fastapi_pandas:app --app-dir {peers} --port {http} --loop uvloop --http httptools "
        f"--no-access-log --log-level warning --workers {workers}",
        "/predict_batch",
        payloads.records,
        environment="MODEL={model}",
        settings=f"workers {workers}, uvloop and httptools",
    )
    for workers in (1, 2)
)
BENTOML, BENTOML_WORKERS = (
    Server(
        "BentoML",
        ("bentoml==1.4.40", "uvloop==0.23.0", "httptools==0.9.0", *SCORERS),
        "{home}/bin/bentoml serve bentoml_service:Loan --working-dir {peers} --host 127.0.0.1 --port {http}",
        "/predict_batch",
        payloads.nested,
        environment=f"MODEL={{model}} BENTOML_DO_NOT_TRACK=true WORKERS={workers}",
        settings=f"workers {workers}, uvloop and httptools",
    )
    for workers in (1, 2)
)
BENTOML_ONNX = with_onnx(BENTOML)
BARE_GRPC = tuple(
    Server(
        f"bare grpcio {kind}",
        ("grpcio==1.85.1", "uvloop==0.23.0"),
        "{home}/bin/python {peers}/bare_grpc.py " + kind + " {grpc}",
        speaks_grpc=True,
    )
    for kind in ("threads", "asyncio", "uvloop")
)
ONNX = (KSERVE_ONNX, MLSERVER_ONNX, BENTOML_ONNX)
ALL = (OURS, BARE_HTTP, BARE_PROTOCOL, KSERVE, MLSERVER, MLSERVER_PARALLEL, FASTAPI, BENTOML, *ONNX, *BARE_GRPC)


class Running(NamedTuple):
    server: Server
    process: "subprocess.Popen[bytes]"
    http_port: int
    grpc_port: int
    started_in: float

    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}{self.server.path}"

    def memory(self) -> float:
        """Resident memory of the process and its children, MB."""
        root = psutil.Process(self.process.pid)
        return sum(each.memory_info().rss for each in (root, *root.children(recursive=True))) / 1e6


def install(server: Server) -> None:
    """Makes the server's own environment, anew where its packages are others."""
    installed, wanted = server.home / ".installed", "\n".join(server.packages)
    if server.packages and not (installed.exists() and installed.read_text() == wanted):
        print(f"Installing {server.name} (once)", file=sys.stderr)
        uv = str(BIN / "uv")
        python = str(server.home / "bin/python")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, server.home], check=True)
        options = ("--quiet", "--compile-bytecode", "--python", python)
        subprocess.run([uv, "pip", "install", *options, *server.packages], check=True)
        installed.write_text(wanted)


@contextmanager
def running(server: Server, registry: Path, http_port: int, cores: str = SERVER_CORE) -> Iterator[Running]:
    """The server, once it has answered a prediction, on `cores` alone; `started_in` seconds after its start."""
    registry = CACHE / server.registry if server.registry else registry
    model = registry / "v1" / server.model
    names = {
        "bin": BIN,
        "home": server.home,
        "peers": PEERS,
        "cache": CACHE,
        "registry": registry,
        "model": model,
        "http": http_port,
        "grpc": http_port + 1,
        "metrics": http_port + 2,
        "mlserver": _mlserver_model(model),
    }
    environment = dict(pair.split("=", 1) for pair in server.environment.format(**names).split())
    started = time.perf_counter()
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            [*on(cores), *server.command.format(**names).split()],
            env=os.environ | ONE_THREAD | environment,
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(process, server, http_port)
        yield Running(server, process, http_port, http_port + 1, time.perf_counter() - started)
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ends the server and its workers, by force where it starts them anew instead."""
    all_of_it: list[psutil.Process] = []
    if process.poll() is None:
        root = psutil.Process(process.pid)
        all_of_it = [root, *root.children(recursive=True)]
    process.terminate()
    _, left = psutil.wait_procs(all_of_it, 20)
    for each in (*left, *(child for parent in left for child in parent.children(recursive=True))):
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait(20)


def _wait(process: "subprocess.Popen[bytes]", server: Server, port: int) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError, httpx.TransportError):
            if server.body is None:
                socket.create_connection(("127.0.0.1", port + 1)).close()
                return
            headers = {"content-type": "application/json"}
            url = f"http://127.0.0.1:{port}{server.path}"
            if httpx.post(url, content=server.body(1).content, headers=headers, timeout=20).status_code == 200:
                return
        time.sleep(0.01)
    raise RuntimeError(f"{server.title} gives no answer; see {server.log}")


def _mlserver_model(model: Path) -> Path:
    """The folder with MLServer's file about the model."""
    folder = CACHE / f"mlserver-{model.parent.parent.name}-{model.suffix[1:]}"
    folder.mkdir(parents=True, exist_ok=True)
    runtime = "mlserver_onnx.OnnxModel" if model.suffix == ".onnx" else "mlserver_sklearn.SKLearnModel"
    named = {"name": "loan", "implementation": runtime, "parameters": {"uri": str(model)}}
    (folder / "model-settings.json").write_text(json.dumps(named))
    return folder
