"""Which versions are in memory and which answers, seen through the server's endpoints."""

import shutil
import threading
import time

import httpx
import numpy as np
import pytest

from model_server.errors import NotFound
from tabular_model.registry import Registry
from tests.model_server.serving import in_process, v2_columns
from tests.model_server.test_v2_rest import INFER
from tests.tabular_model.versions import publish

ROWS = v2_columns(np.array([[41, 82000, 715, 15000, 5, 3, 0]], dtype=float))


@pytest.fixture
def registry(trained_registry, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(trained_registry, tmp_path / "registry")


@pytest.fixture
def client(registry):
    with in_process(registry, refresh_seconds=0.2, max_loaded_versions=1) as http:
        yield http


def version(http, path=INFER):
    return http.post(path, json=ROWS).json().get("model_version")


def states(http):
    return {entry["version"]: entry["state"] for entry in http.post("/v2/repository/index").json()}


def test_latest_is_the_default_until_a_champion_is_promoted(client, registry, wait_for):
    assert version(client) == "v2"
    Registry.open(registry).promote("v1", by="ada", reason="calmer", force=True)
    wait_for(lambda: version(client) == "v1")


def test_load_a_version_then_follow_the_registry_again(client):
    answer = client.post("/v2/repository/models/loan/load", json={"parameters": {"version": "v1"}})
    assert answer.json() == {"name": "loan", "load": True, "model_version": "v1"}
    assert version(client) == "v1"
    client.post("/v2/repository/models/loan/load")
    assert version(client) == "v2"
    absent = client.post("/v2/repository/models/loan/load", json={"parameters": {"version": "v9"}})
    assert absent.status_code == 404


def test_least_recently_used_are_dropped_but_never_the_default(client):
    assert states(client) == {"v1": "UNAVAILABLE", "v2": "READY"}
    assert version(client, "/v2/models/loan/versions/v1/infer") == "v1"
    assert version(client) == "v2"
    assert states(client)["v2"] == "READY"


def test_unloaded_stays_away_until_it_is_loaded(client):
    client.post("/v2/repository/models/loan/unload")
    assert client.get("/v2/health/ready").status_code == 503
    assert client.post(INFER, json=ROWS).status_code == 503
    again = client.post("/v2/models/loan/versions/v2/infer", json=ROWS)
    assert again.status_code == 503
    assert "unloaded" in again.json()["error"]
    client.post("/v2/repository/models/loan/load")
    assert client.get("/v2/health/ready").status_code == 200


def test_without_its_default_version_others_are_served_by_name(client):
    for action in ("load", "unload"):
        client.post(f"/v2/repository/models/loan/{action}", json={"parameters": {"version": "v1"}})
    answer = client.post(INFER, json=ROWS)
    assert answer.status_code == 503
    assert "its default version was unloaded" in answer.json()["error"]
    assert version(client, "/v2/models/loan/versions/v2/infer") == "v2"
    client.post("/v2/repository/models/loan/load")
    assert version(client) == "v2"


def test_a_swap_fails_no_request(server):
    """Askers on four connections while versions are loaded one after the other, until they have seen both."""
    failed, seen, stop = [], set(), threading.Event()

    def ask():
        with httpx.Client(base_url=server.url, timeout=30) as http:
            while not stop.is_set():
                answer = http.post(INFER, json=ROWS)
                seen.add(answer.json().get("model_version"))
                if answer.status_code != 200:
                    failed.append(answer.text)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    with httpx.Client(base_url=server.url, timeout=30) as http:
        for turn in range(20):
            body = {"parameters": {"version": f"v{turn % 2 + 1}"}}
            assert http.post("/v2/repository/models/loan/load", json=body).status_code == 200
            time.sleep(0.02)
        http.post("/v2/repository/models/loan/load")
    stop.set()
    for asker in askers:
        asker.join()
    assert not failed
    assert seen == {"v1", "v2"}


def test_a_changed_file_is_refused_by_name_and_the_others_answer(registry):
    model = registry / "v1" / "model.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.chmod(0o644)
    model.write_bytes(content)
    with in_process(registry) as http:
        refused = http.post("/v2/models/loan/versions/v1/infer", json=ROWS)
        assert refused.status_code == 503
        assert "v1/model.onnx" in refused.json()["error"]
        assert version(http) == "v2"


def test_the_version_that_the_settings_name_is_served_or_the_server_ends(registry):
    with in_process(registry, version="v1") as http:
        assert version(http) == "v1"
    with pytest.raises(NotFound, match="has no version v9; it has v1, v2"), in_process(registry, version="v9"):
        pass


def test_messages_of_the_registry_say_what_helps_over_http(tmp_path):
    root = tmp_path / "registry"
    with in_process(root) as http:
        empty = http.post("/v2/repository/models/loan/load")
        publish(Registry.open(root), passed=False)
        failed = http.post("/promote", json={"version": "v1", "reason": "hope"})
        absent = http.post("/promote", json={"version": "v2", "reason": "hope"})
        forced = http.post("/promote", json={"version": "v1", "reason": "ordered", "force": True})
    assert (empty.status_code, empty.json()["error"]) == (503, f"The registry {root} has no version yet.")
    assert (failed.status_code, failed.json()["error"]) == (
        409,
        "v1 failed the gate: no better than chance. Send `force: true` with a reason to promote it anyway.",
    )
    assert (absent.status_code, absent.json()["error"]) == (404, f"The registry {root} has no version v2; it has v1.")
    assert forced.json()["forced"]


def test_a_folder_of_one_version_is_served_as_that_version(registry):
    with in_process(registry / "v1") as http:
        assert version(http) == "v1"
        assert http.get("/v2/models/loan").json()["versions"] == ["v1"]
