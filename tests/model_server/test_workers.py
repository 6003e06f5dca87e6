"""Several processes at the same ports: to those who ask they are one server."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import grpc
import httpx
import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from model_server.counts import SECONDS, Counts, Histogram
from model_server.workers.channel import Channel
from model_server.workers.members import Members
from tabular_model.monitor_history import GAUGES, open_history
from tests.model_server.serving import APPLICANT, free_port, serving
from tests.model_server.test_metrics import scrape
from tests.model_server.test_monitor_gauges import TEXT
from tests.model_server.test_v2_grpc import raw

WORKERS = 3
ROWS = np.array([list(APPLICANT.values())] * 2, dtype=float)
LOAD = "/v2/repository/models/loan/load"
UNLOAD = "/v2/repository/models/loan/unload"


@pytest.fixture
def group(trained_registry, tmp_path, wait_for):
    shutil.copytree(trained_registry, tmp_path / "registry")
    open_history(str(tmp_path / "history"), create=True).replace(GAUGES, TEXT.encode())
    settings = {"workers": WORKERS, "refresh_seconds": 0.2, "monitor_history": tmp_path / "history"}
    with serving(tmp_path / "registry", **settings) as server:
        wait_for(lambda: metric(server, "loan_workers") == WORKERS, seconds=30)
        yield server


def metric(server, name, **labels):
    with httpx.Client(base_url=server.url) as http:
        return scrape(http).get((name, *sorted(labels.items())), 0)


def workers(server):
    """The worker processes, without trainings and those that have just ended."""
    found = []
    for child in psutil.Process(server.process.pid).children():
        with suppress(psutil.NoSuchProcess):
            if "model_server.workers.worker" in child.cmdline():
                found.append(child)
    return found


class Client:
    """A connection that stays open, and the process that answers on it."""

    def __init__(self, server):
        self._connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=60)
        self.ask("GET", "/v2/health/live")
        port = self._connection.sock.getsockname()[1]
        self.worker = next(
            worker.pid
            for worker in workers(server)
            if any(each.raddr and each.raddr.port == port for each in worker.connections("tcp"))
        )

    def ask(self, method, path, body=None):
        content = None if body is None else json.dumps(body)
        self._connection.request(method, path, content, {"content-type": "application/json"})
        response = self._connection.getresponse()
        return response.status, json.loads(response.read())


def of_each(server):
    """A client of each worker."""
    clients = {}
    while len(clients) < WORKERS:
        client = Client(server)
        clients.setdefault(client.worker, client)
    return list(clients.values())


def versions(clients):
    return {client.ask("POST", "/predict", APPLICANT)[1].get("model_version") for client in clients}


def test_what_all_counted_is_added_up(group):
    for client in of_each(group):
        for _ in range(5):
            assert client.ask("POST", "/predict", APPLICANT)[0] == 200
    with grpc.insecure_channel(group.grpc_target) as channel:
        GRPCInferenceServiceStub(channel).ModelInfer(raw(ROWS))
    assert metric(group, "loan_requests_total", protocol="json", version="v2", status="200") == 5 * WORKERS
    assert metric(group, "loan_score_count", version="v2") == 5 * WORKERS + len(ROWS)
    assert metric(group, "loan_request_seconds_count", protocol="grpc", version="v2") == 1
    assert metric(group, "loan_model_ready", model="loan") == 1
    assert httpx.get(f"{group.url}/metrics").text.count("\nloan_monitor_found{") == 1
    memory = sum(worker.memory_info().rss for worker in workers(group))
    assert metric(group, "process_resident_memory_bytes") > memory / 2


def test_a_version_is_loaded_and_unloaded_by_all(group):
    clients = of_each(group)
    assert versions(clients) == {"v2"}
    assert clients[0].ask("POST", LOAD, {"parameters": {"version": "v1"}})[0] == 200
    assert versions(clients) == {"v1"}
    assert clients[1].ask("POST", UNLOAD, {"parameters": {"version": "v1"}})[0] == 200
    assert {client.ask("POST", "/predict", APPLICANT)[0] for client in clients} == {503}
    status, answer = clients[2].ask("POST", LOAD, {"parameters": {"version": "v9"}})
    assert (status, answer) == (404, {"error": "Model 'loan' has no version v9; it has v1, v2."})
    assert clients[2].ask("POST", LOAD)[0] == 200
    assert versions(clients) == {"v2"}


def test_a_version_is_loaded_by_all_over_grpc(group):
    clients = of_each(group)
    request = pb.RepositoryModelLoadRequest(model_name="loan")
    with grpc.insecure_channel(group.grpc_target) as channel:
        clients[0].ask("POST", LOAD, {"parameters": {"version": "v1"}})
        GRPCInferenceServiceStub(channel).RepositoryModelLoad(request)
    assert versions(clients) == {"v2"}


def test_an_audit_line_names_the_request_though_another_process_writes_it(group):
    trace = "0af7651916cd43dd8448eb211c80319c"
    asked = {"x-request-id": "ask-1", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    assert httpx.post(group.url + LOAD, json={}, headers=asked, timeout=60).is_success
    group.stop()
    lines = [json.loads(line) for line in group.process.stderr if line.startswith("{")]
    [load] = [line for line in lines if line.get("audit") == "load"]
    assert (load.get("request_id"), load.get("trace_id")) == ("ask-1", trace)


def test_a_promotion_is_served_by_all_at_once(group):
    clients = of_each(group)
    promotion = {"version": "v1", "reason": "better explained", "force": True}
    assert clients[0].ask("POST", "/promote", promotion)[0] == 200
    assert versions(clients) == {"v1"}


def test_a_training_is_known_to_all(trained_registry, tmp_path, data_file, wait_for):
    shutil.copytree(trained_registry, tmp_path / "registry")
    settings = {"workers": WORKERS, "train_data": data_file, "train_wait_seconds": 0.01}
    with serving(tmp_path / "registry", **settings) as server:
        wait_for(lambda: metric(server, "loan_workers") == WORKERS)
        clients = of_each(server)
        status, answer = clients[0].ask("POST", "/train", {"algorithm": "logistic"})
        assert status == 202
        assert clients[1].ask("POST", "/train")[0] == 409
        wait_for(lambda: clients[2].ask("GET", answer["status_url"])[0] == 200, seconds=120)
        assert clients[1].ask("GET", answer["status_url"])[1]["new_model_version"] == "v3"
        assert clients[1].ask("GET", "/train/other")[0] == 404
        assert versions(clients) == {"v3"}


def test_a_worker_that_is_killed_comes_back_as_the_others_are(group, wait_for):
    clients = of_each(group)
    clients[0].ask("POST", LOAD, {"parameters": {"version": "v1"}})
    for client in clients:
        client.ask("POST", "/predict", APPLICANT)
    assert metric(group, "loan_rows_total", version="v1") == WORKERS
    psutil.Process(clients[0].worker).kill()
    for client in clients[1:]:
        for _ in range(50):
            assert client.ask("POST", "/predict", APPLICANT)[1]["model_version"] == "v1"
    wait_for(lambda: len(workers(group)) == WORKERS and metric(group, "loan_workers") == WORKERS, seconds=30)
    counted = WORKERS + 50 * (WORKERS - 1)
    assert metric(group, "loan_rows_total", version="v1") == counted
    again = of_each(group)
    assert clients[0].worker not in {client.worker for client in again}
    assert versions(again) == {"v1"}
    assert metric(group, "loan_rows_total", version="v1") == counted + WORKERS


def test_what_is_in_flight_is_answered_before_all_end(group):
    clients, answers = of_each(group), []
    rows = [list(APPLICANT.values())] * 4000
    slow = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [4000, 7], "data": rows}]}
    slow["outputs"] = [{"name": "reason_codes"}]
    askers = [
        threading.Thread(
            target=lambda client=client: answers.append(client.ask("POST", "/v2/models/loan/infer", slow)[0])
        )
        for client in clients
    ]
    processes = workers(group)
    for asker in askers:
        asker.start()
    time.sleep(0.3)
    group.process.send_signal(signal.SIGTERM)
    for asker in askers:
        asker.join()
    assert answers == [200] * WORKERS
    assert group.process.wait(30) == 0
    assert not any(process.is_running() for process in processes)


def test_no_worker_outlives_its_group(group):
    processes = workers(group)
    group.process.kill()
    assert psutil.wait_procs(processes, 30)[1] == []


def test_a_worker_that_ends_while_it_joins_is_no_member(trained_registry, wait_for):
    ours, theirs = socket.socketpair()
    channel = Channel(ours, {}, lambda: None)
    theirs.close()
    wait_for(lambda: channel.ended)
    members = Members()
    members.join(channel, os.getpid())
    assert b"loan_workers 0.0" in members.exposition()


def refused(registry, *options):
    command = [sys.executable, "-m", "loan_cli", "serve", "--registry", str(registry), *map(str, options)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    return ended.stderr


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("protocol", ["HTTP", "GRPC"])
def test_a_port_that_another_server_has_is_named(server, trained_registry, workers, protocol):
    ports = {"HTTP": free_port(), "GRPC": free_port()}
    ports[protocol] = taken = {"HTTP": server.http_port, "GRPC": server.grpc_port}[protocol]
    said = refused(trained_registry, "--workers", workers, "--http-port", ports["HTTP"], "--grpc-port", ports["GRPC"])
    assert f"Port {taken} of :: cannot be opened for {protocol}" in said
    assert f"LOAN_{protocol}_PORT" in said


def test_what_is_wrong_for_all_is_said_once(trained_registry, monkeypatch):
    monkeypatch.setenv("LOAN_VERSION", "v9")
    said = refused(trained_registry, "--workers", 2, "--http-port", free_port(), "--grpc-port", free_port())
    assert said.count("has no version v9") == 1
    assert "No worker could start" in said


keys = st.tuples(st.sampled_from(["rest", "grpc"]), st.sampled_from(["v1", "v2"]))
seen = st.lists(st.tuples(keys, st.floats(1e-6, 20)), max_size=30)


def counted(requests):
    counts = Counts()
    for (protocol, version), seconds in requests:
        counts.add(Counts(requests={(protocol, version, "200"): 1}, rows={version: 1}))
        histogram = Histogram.empty(SECONDS)
        histogram.observe(np.array([seconds]), SECONDS)
        counts.add(Counts(seconds={(protocol, version): histogram}))
    return counts


@given(seen, seen)
def test_counts_of_two_processes_are_those_of_one(first, second):
    together = counted(first)
    together.add(counted(second))
    whole = counted(first + second)
    assert (together.requests, together.rows) == (whole.requests, whole.rows)
    for key, histogram in whole.seconds.items():
        assert together.seconds[key].counts == histogram.counts
        assert together.seconds[key].sum == pytest.approx(histogram.sum)
