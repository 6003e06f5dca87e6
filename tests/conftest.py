"""What tests of every room share."""

import fcntl
import itertools
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import httpx
import hypothesis
import pytest
import structlog
from threadpoolctl import threadpool_limits

from loan_model.synthetic import generate
from tabular_model import evaluate, metrics, signing
from tabular_model.estimators import equality
from tabular_model.registry import Registry
from tests import second_model
from tests.tabular_model.monitoring import windows
from training_job.progress import Progress
from training_job.run import Training, run_training

S3_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "testtest", "AWS_REGION": "us-east-1"}

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("loan", deadline=None, max_examples=50)
hypothesis.settings.load_profile("loan")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """The numeric libraries keep to one thread, as in a training: more wait for each other where cores are few."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A command that is run in this process sets up logging for itself; the next test finds it as it was."""
    configured, handlers = structlog.get_config(), logging.root.handlers[:]
    yield
    structlog.configure(**configured)
    logging.root.handlers[:] = handlers


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with a pair of keys, `signing.key` and `signing.pub`."""
    signing.make(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def wait_for() -> Callable[..., None]:
    """Waits until a condition holds; fails after `seconds`."""

    def wait(condition: Callable[[], bool], seconds: float = 15) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not so after {seconds} s"
            time.sleep(0.05)

    return wait


Makes = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Makes:
    """Makes a folder of that name, which all processes of this run of pytest share; not to be changed."""
    of_all = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        of_all = of_all.parent

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder, unfinished = of_all / name, tmp_path_factory.mktemp(name)
        with (of_all / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                fill(unfinished)
                unfinished.rename(folder)
        return folder

    return make


@pytest.fixture
def fewer_repetitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings resample, permute and compare less than they do for users, for tests that look at other things."""
    monkeypatch.setattr(metrics, "RESAMPLES", 100)
    monkeypatch.setattr(evaluate, "REPEATS", 1)
    monkeypatch.setattr(equality, "RANDOM_ROWS", 2000)


@pytest.fixture(scope="session")
def data_file(made_once: Makes) -> Path:
    """A small synthetic data set."""

    def fill(folder: Path) -> None:
        generate(2000, 0).to_csv(folder / "dataset.csv", index=False)

    return made_once("data", fill) / "dataset.csv"


@pytest.fixture(scope="session")
def trained_registry(made_once: Makes, data_file: Path) -> Path:
    """A registry with v1, gradient boosting, and v2, logistic; not to be changed."""

    def fill(root: Path) -> None:
        registry = Registry.open(root, create=True)
        for algorithm in ("gradient_boosting", "logistic"):
            run_training(Training(data=str(data_file), algorithm=algorithm), registry, Progress())

    return made_once("registry", fill)


@pytest.fixture(scope="session")
def cards_registry(made_once: Makes) -> Path:
    """A registry with v1 of a model with 30 columns, a third of them words; not to be changed."""

    def fill(root: Path) -> None:
        _, data = second_model.write(root)
        training = Training(data=str(data), declaration=second_model.DECLARATION, algorithm="gradient_boosting")
        run_training(training, Registry.open(root / "registry", create=True), Progress())

    return made_once("cards", fill) / "registry"


@pytest.fixture
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """A monitor resamples and simulates outcomes less than it does for users."""
    monkeypatch.setattr(metrics, "RESAMPLES", 20)
    monkeypatch.setattr("tabular_model.monitoring.quality.SIMULATIONS", 60)  # imported by those tests alone


@pytest.fixture(scope="session")
def monitored_record(made_once: Makes, trained_registry: Path) -> Path:
    """A record of three months by v2, with outcomes; the credit scores of the last are lower. Not to be changed."""
    of = windows.model(trained_registry, "v2")
    return made_once("monitored", lambda folder: windows.record(folder, of, changed=(3,)))


@contextmanager
def serving_s3(folder: Path, certificate: Path | None = None, key: Path | None = None) -> Iterator[str]:
    """A real S3 server with the keys of `S3_KEYS`: versitygw where it is installed, else moto's; by TLS, if given."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if shutil.which("versitygw"):
        tls = [f"--cert={certificate}", f"--key={key}"] if certificate else []
        command = ["versitygw", "--port", f"127.0.0.1:{port}", *tls, "posix", str(folder)]
        names = {"ROOT_ACCESS_KEY": S3_KEYS["AWS_ACCESS_KEY_ID"], "ROOT_SECRET_KEY": S3_KEYS["AWS_SECRET_ACCESS_KEY"]}
    else:
        tls = ["--ssl", f"--ssl-cert={certificate}", f"--ssl-key={key}"] if certificate else []
        command, names = [sys.executable, "-m", "moto.server", "-p", str(port), *tls], {}
    server = subprocess.Popen(command, env=os.environ | names, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
    for _ in range(200):
        try:
            httpx.get(url, verify=False)
            break
        except httpx.TransportError:
            time.sleep(0.1)
    yield url
    server.kill()
    server.wait()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real S3 server."""
    with serving_s3(tmp_path_factory.mktemp("s3")) as url:
        yield url


_numbers = itertools.count()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new, empty bucket, and the environment with which it is reached."""
    for name, value in (S3_KEYS | {"AWS_ENDPOINT_URL": s3_server}).items():
        monkeypatch.setenv(name, value)
    name = f"models-{next(_numbers)}"
    boto3.client("s3", endpoint_url=s3_server).create_bucket(Bucket=name)
    return f"s3://{name}/registry"
