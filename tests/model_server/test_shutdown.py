"""SIGTERM ends a server without failing what it has begun to answer."""

import contextlib
import http.client
import json
import signal
import threading
import time

import grpc
import httpx
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from tests.model_server.serving import serving, v2_columns
from tests.model_server.test_v2_grpc import raw

ROWS = np.tile([41, 82000, 715, 15000, 5, 3, 0.0], (60_000, 1))
BODY = json.dumps(v2_columns(ROWS[:1])).encode()


def test_requests_in_flight_are_answered(trained_registry):
    """Requests that take a while (reasons for many rows) are sent, then the signal, then the answers are read."""
    answers = []
    item = {"name": "x", "datatype": "FP64", "shape": ROWS.shape, "data": ROWS.ravel().tolist()}
    body = json.dumps({"inputs": [item], "outputs": [{"name": "reason_codes"}]})
    request = raw(ROWS)
    request.outputs.add(name="reason_codes")

    def over_rest(url):
        answers.append(httpx.post(f"{url}/v2/models/loan/infer", content=body, timeout=60).status_code)

    def over_grpc(target):
        with grpc.insecure_channel(target) as channel:
            answers.append(len(GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=60).outputs))

    with serving(trained_registry) as server:
        askers = [
            threading.Thread(target=over_rest, args=[server.url]),
            threading.Thread(target=over_grpc, args=[server.grpc_target]),
        ]
        for asker in askers:
            asker.start()
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        for asker in askers:
            asker.join()
        assert sorted(answers) == [1, 200]
        assert server.process.wait(30) == 0


def test_an_idle_server_ends_at_once(trained_registry):
    with serving(trained_registry) as server, grpc.insecure_channel(server.grpc_target) as channel:
        GRPCInferenceServiceStub(channel).ServerLive(pb.ServerLiveRequest())
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(5) == 0


class NotTaken(Exception):
    """The server ended before it took the request, so that another may be asked."""


class Asker(threading.Thread):
    """Asks again and again the first server that takes it, as a gateway does while pods are replaced."""

    def __init__(self, servers, over):
        super().__init__()
        self.servers, self.over = servers, over
        self.open = {}
        self.answered = 0
        self.failed = []
        self.ending = threading.Event()

    def run(self):
        ask = self._rest if self.over == "rest" else self._grpc
        while not self.ending.is_set():
            try:
                ask(self.servers[0])
            except NotTaken:
                try:
                    ask(self.servers[-1])  # the new one, which is there before the old one ends
                except NotTaken as error:
                    self.failed.append(error.__cause__)
            self.answered += 1

    def _rest(self, server):
        """A connection that was closed before a byte of the answer came has not taken the request."""
        if server not in self.open:
            self.open[server] = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=60)
        connection = self.open[server]
        try:
            connection.request("POST", "/v2/models/loan/infer", BODY, {"content-type": "application/json"})
            answer = connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected) as error:
            connection.close()
            raise NotTaken from error
        content = answer.read()
        if answer.status != 200 or b"probability" not in content:
            self.failed.append((answer.status, content[:200]))

    def _grpc(self, server):
        if server not in self.open:
            self.open[server] = grpc.insecure_channel(server.grpc_target)
        try:
            GRPCInferenceServiceStub(self.open[server]).ModelInfer(raw(ROWS[:1]), timeout=60)
        except grpc.RpcError as error:
            # Of a call that has reached grpc's core and not yet its Python, core says at the stop: cancelled.
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                raise NotTaken from error
            self.failed.append(error)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sigterm_under_load_twenty_times(trained_registry):
    """Each time a second server is there already, as in a rollout; no request fails."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(serving(trained_registry, queue_seconds=60))]
        askers = [Asker(servers, over) for over in ("rest", "grpc") for _ in range(3)]
        for asker in askers:
            asker.start()
        try:
            for _ in range(20):
                servers.append(stack.enter_context(serving(trained_registry, queue_seconds=60)))
                before = [asker.answered for asker in askers]
                old = servers[0]
                old.process.send_signal(signal.SIGTERM)
                assert old.process.wait(40) == 0
                servers.remove(old)
                end = time.monotonic() + 30
                while any(asker.answered <= was for asker, was in zip(askers, before, strict=True)):
                    assert time.monotonic() < end
                    time.sleep(0.05)
        finally:
            for asker in askers:
                asker.ending.set()
            for asker in askers:
                asker.join()
        assert [asker.failed for asker in askers] == [[]] * 6
        print(sum(asker.answered for asker in askers), "answered")
