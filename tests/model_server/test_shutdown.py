"""SIGTERM ends a server without failing what it has begun to answer."""

import json
import signal
import threading
import time

import grpc
import httpx
import numpy as np
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from tests.model_server.serving import serving
from tests.model_server.test_v2_grpc import raw

ROWS = np.tile([41, 82000, 715, 15000, 5, 3, 0.0], (60_000, 1))


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
