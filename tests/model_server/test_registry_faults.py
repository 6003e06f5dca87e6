"""While the registry is gone, slow or failing, what is loaded is served; when it is back, all goes on by itself."""

import shutil
import time

import grpc
import httpx
import numpy as np
import pytest

from tabular_model.registry import Registry
from tests.flaky import flaky
from tests.model_server.serving import APPLICANT, serving
from tests.model_server.test_limits import MODEL_INFER, refusal
from tests.model_server.test_v2_grpc import raw

ROW = np.array([list(APPLICANT.values())], dtype=float)


@pytest.fixture
def folder(trained_registry, tmp_path):
    """A registry whose champion is v1."""
    root = tmp_path / "registry"
    shutil.copytree(trained_registry, root)
    Registry.open(root).promote("v1", by="test", reason="test", force=True)
    return root


@pytest.fixture
def store(bucket, s3_server, folder, monkeypatch):
    """The same in a bucket, reached through a proxy that can be told to fail: the proxy and the URL."""
    for path in (path for path in folder.rglob("*") if path.is_file()):
        Registry.open(bucket)._storage.create(str(path.relative_to(folder)), path.read_bytes())
    with flaky(s3_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy, bucket


def predicted(server, version=None):
    answer = httpx.post(f"{server.url}/predict", params={"version": version} if version else {}, json=APPLICANT)
    assert answer.status_code == 200, answer.text
    return answer.json()["model_version"]


def reachable(server):
    text = httpx.get(f"{server.url}/metrics").text
    return "loan_registry_reachable 1.0" in text


def told(server):
    """What readiness says of the registry."""
    answer = httpx.get(f"{server.url}/v2/health/ready")
    assert answer.status_code == 200
    return answer.json().get("registry", "")


def test_a_folder_that_goes_away_and_comes_back(folder, wait_for):
    with serving(folder, refresh_seconds=0.2) as server:
        assert predicted(server) == "v1"
        assert reachable(server)
        away = folder.rename(folder.with_name("away"))
        wait_for(lambda: not reachable(server))
        assert str(folder) in told(server)
        assert predicted(server) == "v1"
        absent = httpx.post(f"{server.url}/predict?version=v2", json=APPLICANT)
        assert absent.status_code == 503
        assert "not loaded, and cannot be loaded" in absent.json()["error"]
        away.rename(folder)
        Registry.open(folder).promote("v2", by="test", reason="test", force=True)
        wait_for(lambda: predicted(server) == "v2")
        assert reachable(server)
        assert not told(server)


def test_a_pinned_server_tells_too(folder, wait_for):
    with serving(folder, version="v2", refresh_seconds=0.2) as server:
        folder.rename(folder.with_name("away"))
        wait_for(lambda: not reachable(server))
        assert predicted(server) == "v2"


@pytest.mark.timeout(240)
def test_a_bucket_that_stops_and_comes_back(store, wait_for):
    proxy, url = store
    with serving(url, refresh_seconds=0.2) as server:
        assert predicted(server) == "v1"
        proxy.failing = 1
        wait_for(lambda: not reachable(server), 60)
        assert "SlowDown" in told(server)
        started = time.monotonic()
        for version in ("v2", "v9"):
            absent = httpx.post(f"{server.url}/predict?version={version}", json=APPLICANT, timeout=60)
            assert absent.status_code == 503, absent.text
        assert time.monotonic() - started < 5  # refused at once, not after tries
        assert predicted(server) == "v1"
        assert refusal(server.grpc_target, raw(ROW, model_version="v2").SerializeToString())[0] == "UNAVAILABLE"
        proxy.failing = 0
        Registry.open(url).promote("v2", by="test", reason="test", force=True)
        wait_for(lambda: predicted(server) == "v2", 60)
        assert reachable(server)


def test_a_slow_bucket_keeps_nobody_waiting_who_does_not_need_it(store, wait_for):
    proxy, url = store
    with (
        serving(url, refresh_seconds=0.5, queue_seconds=60) as server,
        grpc.insecure_channel(server.grpc_target) as channel,
    ):
        assert predicted(server) == "v1"
        proxy.delay = 3

        infer = channel.unary_unary(MODEL_INFER)
        waiting = [infer.future(raw(ROW, model_version="v2").SerializeToString(), timeout=90) for _ in range(20)]
        time.sleep(0.5)
        for _ in range(20):
            assert predicted(server) == "v1"
        assert infer(raw(ROW).SerializeToString(), timeout=10)
        assert httpx.get(f"{server.url}/metrics", timeout=10).status_code == 200
        assert httpx.get(f"{server.url}/v2/models/loan/ready", timeout=10).status_code == 200
        proxy.delay = 0
        codes = {call.code().name for call in waiting}
        assert codes == {"OK", "UNAVAILABLE"}  # sixteen waited, the others were told that they are too many
        assert predicted(server, "v2") == "v2"


@pytest.mark.timeout(240)
def test_a_bucket_that_fails_three_calls_of_ten(store, wait_for):
    proxy, url = store
    proxy.failing = 0.3
    with serving(url, refresh_seconds=0.1) as server:
        wait_for(lambda: httpx.get(f"{server.url}/v2/health/ready").status_code == 200, 60)
        for _ in range(50):
            predicted(server)
        Registry.open(url).promote("v2", by="test", reason="test", force=True)
        wait_for(lambda: predicted(server) == "v2", 60)
        assert proxy.failed > 5
