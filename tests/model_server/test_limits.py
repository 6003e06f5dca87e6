"""Who sends too slowly, too much or too often is refused, and others are answered."""

import asyncio
import gzip
import json
import os
import random
import re
import resource
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import grpc
import httpx
import numpy as np
import pytest

from model_server.overload.connections import ConnectionLimits
from model_server.overload.constants import FEW
from model_server.overload.event_loop import LoopQueue
from model_server.overload.policy import Pace
from model_server.overload.threads import ThreadPools
from model_server.settings import ServerSettings
from tests.model_server.serving import APPLICANT, PATIENCE, in_process, serving, v2_columns
from tests.model_server.test_http import BODY, LIVE, Connection, infer
from tests.model_server.test_v2_grpc import raw

ROWS = np.tile([41, 82000, 715, 15000, 5, 3, 0.0], (600, 1))
# As many rows as 60 kB can hold, so that it is small and takes long: 0.1 s on a fast machine.
MATRIX = {"name": "x", "datatype": "FP64", "shape": [4000, 7], "data": [1] * 28_000}
REASONS = json.dumps({"inputs": [MATRIX], "parameters": {"explain": True}}, separators=(",", ":")).encode()
MODEL_INFER = "/inference.GRPCInferenceService/ModelInfer"


@pytest.fixture(scope="module")
def strict(trained_registry):
    """A server with no patience and little room."""
    limits = {"head_seconds": 0.5, "body_seconds": 1, "idle_seconds": 4, "max_connections": 20}
    with serving(trained_registry, **limits, max_body_bytes=2**17, max_held_bytes=2**18) as running:
        yield running


def well(server):
    return httpx.post(f"{server.url}/predict", json=APPLICANT, timeout=30).status_code == 200


def trickle(connection, content):
    """Sends a byte at a time until the server has closed."""
    try:
        for byte in content:
            connection.send(bytes([byte]))
            time.sleep(0.1)
    except OSError:
        return


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_slow_sender_is_told_and_sent_away(strict, part):
    connection = Connection(strict.http_port)
    head, body = infer()[: -len(infer()) // 2], infer()
    if part == "body":
        at = body.index(b"\r\n\r\n") + 4
        connection.send(body[:at])
        head = body[at:]
    sender = threading.Thread(target=trickle, args=[connection, head])
    sender.start()
    status, headers, answer = connection.answer()
    assert (status, headers["connection"]) == (408, "close")
    assert "in time" in json.loads(answer)["error"]
    assert well(strict)
    sender.join()


def test_a_silent_connection_is_closed(strict):
    silent, asked = Connection(strict.http_port), Connection(strict.http_port)
    asked.send(LIVE)
    assert asked.answer()[0] == 200
    assert silent.closed()
    assert asked.closed()


def test_of_too_many_connections_the_idlest_go(strict):
    idle = []
    for _ in range(60):
        idle.append(Connection(strict.http_port))
        time.sleep(0.005)  # of those that came in one pass of the loop none is idler
    assert well(strict)
    idle[-1].send(LIVE)
    assert idle[-1].answer()[0] == 200
    assert idle[0].closed()


def test_bodies_that_are_too_large_together_are_refused(trained_registry):
    """Three of 100 kB are one too many for 256 kB; as soon as others are gone there is room again."""
    with in_process(trained_registry, max_body_bytes=2**17, max_held_bytes=2**18) as http:
        port = http.base_url.port
        body = b" " * (2**17 - 100)
        holding = [Connection(port) for _ in range(2)]
        for connection in holding:
            connection.send(infer(body)[:-1])
        assert http.post("/predict", json=APPLICANT).status_code == 200
        third = Connection(port)
        third.send(infer(body))
        status, headers, answer = third.answer()
        assert (status, headers["retry-after"]) == (503, "1")
        assert "no memory left" in json.loads(answer)["error"]
        for connection in holding:
            connection.send(b" ")
            assert connection.answer()[0] == 400  # it was read, and is no JSON
        third = Connection(port)
        third.send(infer(body))
        assert third.answer()[0] == 400
        assert 'loan_shed_requests_total{what="rest"} 1' in http.get("/metrics").text


def test_each_of_many_that_find_no_room_is_told(trained_registry):
    """Refusals are sent one after the other, and each of these requests is there whole before its own is."""
    with in_process(trained_registry, max_body_bytes=2**17, max_held_bytes=2**17) as http:
        holding, *asking = [Connection(http.base_url.port) for _ in range(21)]
        holding.send(infer(b" " * (2**17 - 100))[:-1])
        while http.post("/predict", content=b" " * 5000).status_code != 503:
            continue  # until all of that was read
        for connection in asking:
            connection.send(infer(b" " * 5000))
        assert [connection.answer()[0] for connection in asking] == [503] * 20
        assert all(connection.closed() for connection in asking)


def test_what_a_body_is_unpacked_to_counts_too(trained_registry):
    """Again and again, so that it is seen to count no longer once the request is answered."""
    with in_process(trained_registry, max_body_bytes=2**20, max_held_bytes=2**18) as http:
        blanks = "".join(random.Random(0).choices(" \n\t", k=2**18)).encode()
        small, large = (gzip.compress(json.dumps(APPLICANT).encode() + blanks[:size]) for size in (2**17, 2**18))
        for _ in range(4):
            refused = http.post("/predict", content=large, headers={"content-encoding": "gzip"})
            assert (refused.status_code, "no memory left" in refused.json()["error"]) == (503, True)
            assert http.post("/predict", content=small, headers={"content-encoding": "gzip"}).status_code == 200
        counted = http.get("/metrics").text
        assert 'loan_shed_requests_total{what="json"} 4' in counted
        assert 'loan_requests_total{protocol="json",status="503",version=""} 4' in counted


def test_headers_behind_a_body_have_an_end_too(server):
    connection = Connection(server.http_port)
    chunks = b"%x\r\n%b\r\n0\r\n" % (len(infer()), infer())
    connection.send(infer(chunks, content_length=None, transfer_encoding="chunked"))
    for _ in range(16):
        connection.send(b"x: " + b"y" * 4000 + b"\r\n")
    time.sleep(0.1)  # what a server has not read when it closes takes its answer along
    connection.send(b"x: " + b"y" * 1600 + b"\r\nx: z")  # a header is counted once the next one begins
    assert connection.answer()[0] == 413


def test_headers_behind_a_body_change_nothing(strict):
    body = infer().partition(b"\r\n\r\n")[2]
    chunked = b"%x\r\n%b\r\n0\r\ncontent-encoding: gzip\r\n\r\n" % (len(body), body)
    connection = Connection(strict.http_port)
    connection.send(infer(chunked, content_length=None, transfer_encoding="chunked") + LIVE)
    assert [connection.answer()[0] for _ in range(2)] == [200, 200]


def test_many_small_requests_at_once_are_no_large_head(server):
    """So that the last of them is not whole when the others are read."""
    connection = Connection(server.http_port)
    connection.send(LIVE * 3000 + LIVE[:10])
    connection.send(LIVE[10:])
    assert {connection.answer()[0] for _ in range(3001)} == {200}


def test_one_who_sends_many_at_once_does_not_keep_others_waiting(server):
    greedy, other = Connection(server.http_port), Connection(server.http_port)
    greedy.send(infer() * 300)
    other.send(LIVE)
    assert other.answer()[0] == 200
    assert {greedy.answer()[0] for _ in range(300)} <= {200, 503}


def test_of_those_who_send_much_one_reads_on_in_a_pass():
    async def passes():
        limits, read, seen = ConnectionLimits(ServerSettings()), [], []
        for name in "abc":
            limits.in_turn(partial(read.append, name))
        for _ in range(4):
            await asyncio.sleep(0)
            seen.append("".join(read))
        limits.in_turn(partial(read.append, "d"))
        await asyncio.sleep(0)
        return [*seen, "".join(read)]

    assert asyncio.run(passes()) == ["a", "ab", "abc", "abc", "abcd"]


def test_many_large_bodies_at_once_are_all_read(server):
    """Also when one who waits for its turn goes away, and where small ones are asked between them."""
    body = BODY + b" " * 2**20
    connections = [Connection(server.http_port) for _ in range(8)]
    gone = Connection(server.http_port)
    gone.send(infer(body)[:-1])
    with ThreadPoolExecutor(8) as many:
        sent = [many.submit(connection.send, infer(body) + LIVE) for connection in connections]
        gone.socket.close()
        assert well(server)
        for sending in sent:
            sending.result()
    assert [[c.answer()[0] for _ in range(2)] for c in connections] == [[200, 200]] * 8


def test_no_more_is_worked_on_at_once_than_there_are_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    at_once, most = [], []

    def work():
        at_once.append(1)
        most.append(len(at_once))
        time.sleep(0.005)
        at_once.pop()

    async def run():
        pool = ThreadPools(PATIENCE)
        await asyncio.gather(*(pool.run(work) for _ in range(5)))

    asyncio.run(run())
    assert most == [1] * 5


def test_reasons_for_many_rows_do_not_keep_others_waiting(server):
    """They take a second; what is asked after them is answered before."""
    assert len(REASONS) < 64 * 1024
    slow, quick = Connection(server.http_port), Connection(server.http_port)
    slow.send(infer(REASONS))
    quick.send(LIVE)
    assert quick.answer()[0] == 200
    slow.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        slow.socket.recv(1)


def test_an_output_is_not_made_again_and_again(http):
    request = v2_columns(ROWS[:1]) | {"outputs": [{"name": "reason_codes"}] * 100}
    answer = http.post("/v2/models/loan/infer", json=request)
    assert (answer.status_code, "twice" in answer.json()["error"]) == (400, True)


def refusal(target, content, timeout=30, **options):
    """The status with which a call of these bytes is answered."""
    with grpc.insecure_channel(target) as channel:
        try:
            channel.unary_unary(MODEL_INFER)(content, timeout=timeout, **options)
        except grpc.RpcError as error:
            return error.code().name, error.details()
    return "OK", ""


def test_grpc_messages_over_the_limit_packed_or_not(strict):
    large = raw(np.tile(ROWS, (50, 1))).SerializeToString()
    assert refusal(strict.grpc_target, large)[0] == "RESOURCE_EXHAUSTED"
    packed = refusal(strict.grpc_target, large, compression=grpc.Compression.Gzip)
    assert packed[0] == "RESOURCE_EXHAUSTED"


def test_bytes_that_are_no_message(strict):
    assert refusal(strict.grpc_target, b"\xff\xff\xff")[0] == "INVALID_ARGUMENT"


def nothing(said):
    """Messages of a call that sends none, and ends when it is told."""
    said.wait(30)
    yield from ()


def test_calls_that_send_nothing_keep_no_other_from_being_answered(strict):
    """They are cancelled after half a second, which is how long a head may take."""
    said = threading.Event()
    with grpc.insecure_channel(strict.grpc_target) as channel:
        silent = [channel.stream_unary(MODEL_INFER).future(nothing(said)) for _ in range(20)]
        assert refusal(strict.grpc_target, raw(ROWS).SerializeToString())[0] == "OK"
        assert {call.code() for call in silent} == {grpc.StatusCode.CANCELLED}
        said.set()


def test_hundreds_of_calls_that_send_nothing_are_no_overload(trained_registry):
    said = threading.Event()
    with (
        serving(trained_registry, queue_seconds=0.5) as server,
        grpc.insecure_channel(server.grpc_target) as silent,
        grpc.insecure_channel(server.grpc_target, [("another", 1)]) as channel,
    ):
        calls = []
        for _ in range(20):
            calls += [silent.stream_unary(MODEL_INFER).future(nothing(said)) for _ in range(20)]
            for _ in range(5):
                assert channel.unary_unary(MODEL_INFER)(raw(ROWS[:1]).SerializeToString(), timeout=5)
            time.sleep(0.1)
        for call in calls:
            call.cancel()
        said.set()
        time.sleep(0.2)
        server.process.terminate()
        assert "call failed" not in server.process.stderr.read()


def test_overload_is_shed_counted_and_over_at_once(trained_registry):
    """Forty at once, each of half a second, where none may wait for 20 ms."""
    with (
        serving(trained_registry, queue_seconds=0.02) as server,
        ThreadPoolExecutor(40) as many,
        grpc.insecure_channel(server.grpc_target) as channel,
    ):
        answers = list(
            many.map(lambda _: httpx.post(f"{server.url}/v2/models/loan/infer", content=REASONS, timeout=60), range(40))
        )
        assert {answer.status_code for answer in answers} == {200, 503}
        assert {answer.headers.get("retry-after") for answer in answers if answer.status_code == 503} == {"1"}
        assert well(server)
        message = raw(ROWS)
        message.outputs.add(name="reason_codes")
        infer_rpc = channel.unary_unary(MODEL_INFER)
        calls = [infer_rpc.future(message.SerializeToString(), timeout=60) for _ in range(40)]
        assert {call.code().name for call in calls} == {"OK", "RESOURCE_EXHAUSTED"}
        shed = next(call for call in calls if call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED)
        assert ("grpc-retry-pushback-ms", "1000") in tuple(shed.trailing_metadata())
        assert infer_rpc(message.SerializeToString(), timeout=60)
        text = httpx.get(f"{server.url}/metrics").text
        for what in ("rest", "grpc"):
            assert re.search(rf'loan_shed_requests_total\{{what="{what}"\}} [1-9]', text)


class Loop:
    """A loop with a clock of its own, of which each pass takes a millisecond for each request."""

    def __init__(self, patience):
        self.now = 10.0
        self._ends = []
        self._queue = LoopQueue(patience, self._ends.append)

    def admitted(self, count):
        """How many of those that one pass finds are."""
        admitted = 0
        for _ in range(count):
            admitted += self._queue.admits(self.now)
            self.now += 0.001
        self._ends.pop()()
        return admitted


def test_a_burst_is_waited_for_and_of_a_standing_queue_few_are_admitted():
    loop = Loop(patience=0.55)
    assert [loop.admitted(100) for _ in range(5)] == [100] * 5
    assert loop.admitted(100) > 40
    assert all(1 <= loop.admitted(100) <= 40 for _ in range(10))  # 16 by chance; within five deviations
    assert loop.admitted(10) <= 10
    assert [loop.admitted(10) for _ in range(200)] == [10] * 200  # the others do not ask any more
    assert loop.admitted(100) == 100  # which is a burst again


def test_after_a_pause_many_are_a_burst():
    loop = Loop(patience=0.45)
    for _ in range(10):
        loop.admitted(100)
    loop.now += 60
    assert [loop.admitted(100) for _ in range(3)] == [100] * 3


def test_nobody_waits_longer_than_the_patience_in_one_pass():
    assert Loop(patience=0.1).admitted(300) == 101


def test_twice_as_many_as_keep_a_server_busy_are_all_admitted():
    loop = Loop(patience=0.1)
    assert [loop.admitted(2 * FEW) for _ in range(50)] == [2 * FEW] * 50


def test_refusals_are_sent_one_after_the_other_and_within_a_second():
    pace = Pace()
    delays = [pace.delay(10.0) for _ in range(5000)]
    assert delays[:3] == pytest.approx([0, 0.001, 0.002])
    assert max(delays) == 1.0
    assert pace.delay(20.0) == 0


def test_two_thousand_grpc_calls_at_once_are_a_burst(server):
    message = raw(ROWS[:1]).SerializeToString()
    with ExitStack() as stack:
        channels = [stack.enter_context(grpc.insecure_channel(server.grpc_target, [("n", n)])) for n in range(8)]
        calls = [channel.unary_unary(MODEL_INFER).future(message) for channel in channels for _ in range(250)]
        assert Counter(call.code() for call in calls) == {grpc.StatusCode.OK: 2000}


def test_grpc_calls_that_stand_are_refused_and_others_answered_as_soon_as_they_are_gone(trained_registry):
    message = raw(ROWS).SerializeToString()
    with (
        serving(trained_registry, queue_seconds=0.2) as server,
        grpc.insecure_channel(server.grpc_target) as channel,
        ThreadPoolExecutor(100) as many,
    ):
        infer_rpc = channel.unary_unary(MODEL_INFER)
        ends = time.monotonic() + 3

        def ask(_):
            codes = []
            while time.monotonic() < ends:
                call = infer_rpc.future(message)
                codes.append(call.code().name)
            return codes

        codes = Counter(code for each in many.map(ask, range(100)) for code in each)
        assert set(codes) == {"OK", "RESOURCE_EXHAUSTED"}
        assert codes["OK"] > 100
        assert infer_rpc(message, timeout=30)
        text = httpx.get(f"{server.url}/metrics").text
        counted = re.search(r'loan_requests_total\{[^}]*status="RESOURCE_EXHAUSTED"[^}]*\} (\S+)', text)
        assert float(counted[1]) == codes["RESOURCE_EXHAUSTED"]


def test_new_connections_are_taken_beside_one_that_asks_much(server):
    """Some in each pass of the loop, in which the other has four answers."""
    greedy = Connection(server.http_port)
    answered = []
    many = infer(json.dumps(v2_columns(ROWS)).encode()) * 400
    with ThreadPoolExecutor(2) as pool:
        sending = pool.submit(greedy.send, many)
        reading = pool.submit(lambda: [answered.append(greedy.answer()[0]) for _ in range(400)])
        while not answered:
            time.sleep(0.001)
        before = len(answered)
        others = [Connection(server.http_port) for _ in range(64)]
        for other in others:
            other.send(LIVE)
        assert {other.answer()[0] for other in others} == {200}
        assert len(answered) - before < 64 * 2
        sending.result()
        reading.result()


def test_a_refused_connection_that_makes_room_is_told_once(trained_registry):
    with in_process(trained_registry, max_connections=1, max_body_bytes=2**17) as http:
        refused = Connection(http.base_url.port)
        refused.send(infer(content_length=2**20))
        assert refused.answer()[0] == 413
        other = Connection(http.base_url.port)
        other.send(LIVE)
        assert other.answer()[0] == 200
        assert refused.answer()[0] == 0  # closed, without another answer
        other.send(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"loan_shed_requests_total{" not in other.answer()[2]


@pytest.mark.slow
def test_ten_thousand_idle_connections(trained_registry):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(10_000, hard - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with serving(trained_registry, max_connections=count + 10) as server:
            idle = [Connection(server.http_port) for _ in range(count)]
            for connection in idle:
                connection.send(LIVE[:5])
            assert well(server)
            for connection in (idle[0], idle[-1]):
                connection.send(LIVE[5:])
                assert connection.answer()[0] == 200
            for connection in idle:
                connection.socket.close()
            assert well(server)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_limit_on_connections_in_process(trained_registry):
    """A connection that is being answered is not closed for another."""
    with in_process(trained_registry, max_connections=1) as http:
        busy = Connection(http.base_url.port)
        busy.send(infer(REASONS) * 20)  # a second's work, also on a fast machine
        assert busy.answer()[0] == 200  # the next is being answered
        other = Connection(http.base_url.port)
        status, headers, _ = other.answer()
        assert (status, headers["retry-after"]) == (503, "1")
        assert busy.answer()[0] == 200
