"""Addresses to listen on: IPv4, IPv6 and both, and what is said where that cannot be."""

import subprocess
import sys
import time

import grpc
import httpx
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from tests.model_server.serving import free_port, serving

EVERYWHERE = ("127.0.0.1", "[::1]")


def answers(server, address):
    """Whether both ports answer at an address."""
    try:
        live = httpx.get(f"http://{address}:{server.http_port}/v2/health/live", timeout=5).status_code == 200
        with grpc.insecure_channel(f"{address}:{server.grpc_port}") as channel:
            stub = GRPCInferenceServiceStub(channel)
            return live and stub.ServerLive(pb.ServerLiveRequest(), timeout=5).live
    except (httpx.TransportError, grpc.RpcError):
        return False


@pytest.mark.parametrize(
    ("host", "at"),
    [
        ("", EVERYWHERE),
        ("::", EVERYWHERE),
        ("[::]", EVERYWHERE),
        ("::1", EVERYWHERE[1:]),
        ("0.0.0.0", EVERYWHERE[:1]),
        ("localhost", EVERYWHERE[:1]),
    ],
)
def test_both_ports_listen_at_the_address(trained_registry, host, at):
    with serving(trained_registry, host=host, live_at=at[0]) as server:
        assert [address for address in EVERYWHERE if answers(server, address)] == list(at)


def test_a_port_that_is_taken_is_named(trained_registry):
    with serving(trained_registry, host="::1", live_at="[::1]") as server:
        command = [sys.executable, "-m", "loan_cli", "serve", "--registry", str(trained_registry)]
        ports = {"LOAN_HOST": "::1", "LOAN_HTTP_PORT": str(server.http_port), "LOAN_GRPC_PORT": str(free_port())}
        done = subprocess.run(command, env=ports, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert f"Port {ports['LOAN_HTTP_PORT']} of ::1 cannot be opened" in done.stderr
    assert "LOAN_HOST" in done.stderr


def test_a_group_that_can_never_serve_ends_with_its_sentence(trained_registry):
    environment = {
        "LOAN_HOST": "127.0.0.1",
        "LOAN_HTTP_PORT": str(free_port()),
        "LOAN_GRPC_PORT": str(free_port()),
        "LOAN_WORKERS": "2",
        "LOAN_VERSION": "v99",
    }
    command = [sys.executable, "-m", "loan_cli", "serve", "--registry", str(trained_registry)]
    began = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "v99" in done.stderr
    assert "No worker could start" in done.stderr
    assert done.stderr.count("a worker ended") == 0
    assert time.monotonic() - began < 30


def test_a_name_that_is_no_name_is_refused_at_start(trained_registry):
    command = [sys.executable, "-m", "loan_cli", "serve", "--registry", str(trained_registry)]
    done = subprocess.run(command, env={"LOAN_MODEL_NAME": "a/b"}, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "LOAN_MODEL_NAME" in done.stderr
    assert "letters, digits" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value"), [("LOAN_WORKERS", "many"), ("LOAN_TRAIN_SOURCES", "{"), ("LOAN_ACCESS", "x")]
)
def test_a_setting_that_is_wrong_is_one_sentence(name, value):
    done = subprocess.run(
        [sys.executable, "-m", "loan_cli", "serve"], env={name: value}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert name.removeprefix("LOAN_").lower() in done.stderr.lower()
    assert len(done.stderr.splitlines()) == 1
