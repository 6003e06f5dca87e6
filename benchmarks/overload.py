"""What is still answered, and how soon, when far more is asked than can be.

A load generator asks without a pause: over as many connections as keep the server busy, then over five times and over
sixty times as many. Beside it eight clients ask a hundred times a second in all, as an application would, and before
the generator on their core; it is their latencies that are told, and how long after the flood they are what they were.
"""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.client import HTTPResponse
from pathlib import Path
from typing import NamedTuple

import grpc
import numpy as np

from benchmarks import load, machine, payloads, servers
from benchmarks.load import Load
from benchmarks.servers import OURS, Running

FLOOD = [*load.ON_LOAD_CORE, "nice", "-n", "19"]
NORMAL, FLOODS = 16, (80, 1000)  # connections, or calls at once
CLIENTS, EVERY = 8, 0.08
# For its first two seconds a flood is waited for, as a burst is; the clients begin after them.
BURST, SECONDS, AFTER = 3.0, 12.0, 3.0

Client = Callable[[], bool]  # asks once; whether it was accepted


class Answer(NamedTuple):
    at: float  # when it was asked, s
    took: float  # s
    accepted: bool


class Beside(NamedTuple):
    """What the flood got, and the client beside it and after it."""

    flood: Load
    ended: float
    answers: list[Answer]

    def latency(self, percentile: float) -> float:
        """Of what was accepted beside the flood, ms."""
        took = [answer.took for answer in self.answers if answer.accepted and answer.at < self.ended]
        return float(np.percentile(took, percentile)) * 1e3 if took else float("nan")

    @property
    def answered(self) -> float:
        """The share of what was asked beside the flood."""
        accepted = [answer.accepted for answer in self.answers if answer.at < self.ended]
        return sum(accepted) / len(accepted)

    def recovered(self, limit: float) -> float:
        """Seconds after the flood until nothing is refused or takes longer than `limit` ms."""
        late = [each.at + each.took for each in self.answers if not each.accepted or each.took * 1e3 > limit]
        return max([0.0, *(at - self.ended for at in late)])


def write(registry: Path, path: Path) -> None:
    lines = [
        "# Overload\n",
        f"{machine.described()}; the server has one core, who asks the other. {NORMAL} connections, or calls at once, "
        f"that ask without a pause keep it busy. Beside them, and beside more, {CLIENTS} clients ask "
        f"{CLIENTS / EVERY:.0f} times a second in all: how much of theirs was answered, and when. Each runs for "
        f"{SECONDS:g} s; the first {BURST:g} s are left out, as a burst is waited for.\n",
        "| asked | at once | answered/s | refused/s | clients' share answered | p50, ms | p99, ms | over after, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    with servers.running(OURS, registry, 9600) as server:
        for rows in (1, 1000):
            lines += _rows(f"REST, {rows} rows", partial(_flood_rest, server, rows), partial(_rest, server, rows))
            with _grpc(server, rows) as client:
                lines += _rows(f"gRPC, {rows} rows", partial(_flood_grpc, server, rows), lambda client=client: client)
    path.write_text("\n".join(lines) + "\n")


def _rows(name: str, flood: Callable[[int], Load], client: Callable[[], Client]) -> list[str]:
    lines, normal = [], float("inf")
    for at_once in (NORMAL, *FLOODS):
        seen = _beside(partial(flood, at_once), client)
        refused = seen.flood.refused / SECONDS
        p99 = seen.latency(99)
        normal = min(normal, p99)
        lines.append(
            f"| {name} | {at_once:,} | {seen.flood.rate - refused:,.0f} | {refused:,.0f} | {seen.answered:.2f} "
            f"| {seen.latency(50):.1f} | {p99:.1f} | {seen.recovered(2 * normal):.2f} |"
        )
        print(lines[-1], flush=True)
    return lines


def _beside(flood: Callable[[], Load], client: Callable[[], Client]) -> Beside:
    with ThreadPoolExecutor(1 + CLIENTS) as pool:
        flooding = pool.submit(flood)
        time.sleep(BURST)
        asking = [pool.submit(_ask, client(), flooding) for _ in range(CLIENTS)]
        load = flooding.result()
        ended = time.perf_counter()
        return Beside(load, ended, [answer for each in asking for answer in each.result()])


def _ask(client: Client, flooding: "Future[Load]") -> list[Answer]:
    answers = []
    end = float("inf")
    while time.perf_counter() < end:
        began = time.perf_counter()
        accepted = client()
        took = time.perf_counter() - began
        answers.append(Answer(began, took, accepted))
        if flooding.done():
            end = min(end, time.perf_counter() + AFTER)
        time.sleep(max(0.0, EVERY - took))
    return answers


def _flood_rest(server: Running, rows: int, connections: int) -> Load:
    return load.http(server.url(), payloads.v2(rows), connections, SECONDS, FLOOD, may_refuse=True)


def _flood_grpc(server: Running, rows: int, at_once: int) -> Load:
    target = f"127.0.0.1:{server.grpc_port}"
    connections = min(at_once, 50)
    return load.grpc(target, payloads.v2_grpc(rows), connections, at_once, SECONDS, FLOOD, may_refuse=True)


def _rest(server: Running, rows: int) -> Client:
    connection = socket.create_connection(("127.0.0.1", server.http_port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    content = payloads.v2(rows).content
    head = f"POST {OURS.path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    request = f"{head}content-length: {len(content)}\r\n\r\n".encode() + content

    def ask() -> bool:
        connection.sendall(request)
        answer = HTTPResponse(connection)
        answer.begin()
        answer.read()
        return answer.status == HTTPStatus.OK

    return ask


@contextmanager
def _grpc(server: Running, rows: int) -> Iterator[Client]:
    content = payloads.v2_grpc(rows)
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

        def ask() -> bool:
            try:
                infer(content)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                    raise
                return False
            return True

        yield ask
