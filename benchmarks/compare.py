"""All servers side by side: every scenario in several rounds, in an order shuffled anew in each."""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.progress import Progress

from benchmarks import load, payloads, servers, wide
from benchmarks.load import Load
from benchmarks.servers import (
    ALL,
    BARE_GRPC,
    BARE_HTTP,
    BARE_PROTOCOL,
    BENTOML,
    BENTOML_ONNX,
    FASTAPI,
    KSERVE,
    KSERVE_ONNX,
    MLSERVER,
    MLSERVER_ONNX,
    MLSERVER_PARALLEL,
    OURS,
    Running,
    Server,
)


class Scenario(NamedTuple):
    """One kind of request, who is asked it, and how many times faster than each peer we want to be at least."""

    title: str
    rows: int
    protocol: str
    at_once: int
    wanted: Mapping[Server, float]
    ours: Server = OURS

    @property
    def asked(self) -> tuple[Server, ...]:
        return (self.ours, *self.wanted)


KSERVES = (KSERVE, KSERVE_ONNX)
OTHERS = (MLSERVER, MLSERVER_PARALLEL, FASTAPI, BENTOML)
NOTHING = dict.fromkeys((MLSERVER_ONNX, BENTOML_ONNX), 0.0)  # is wanted; they are to be seen
SCENARIOS = (
    Scenario(
        "REST, JSON, 1 row",
        1,
        "json",
        16,
        {BARE_HTTP: 0.5, BARE_PROTOCOL: 0.0} | dict.fromkeys(KSERVES, 20) | dict.fromkeys(OTHERS, 12) | NOTHING,
    ),
    Scenario(
        "REST, JSON, 1 000 rows", 1000, "json", 4, dict.fromkeys(KSERVES, 10) | dict.fromkeys(OTHERS, 5) | NOTHING
    ),
    Scenario("REST, JSON, 1 row of 50 columns", 1, "json", 16, dict.fromkeys(wide.PEERS, 0.0), wide.WIDE),
    Scenario("REST, binary tensors, 1 row", 1, "binary", 16, dict.fromkeys(KSERVES, 10)),
    Scenario("REST, binary tensors, 1 000 rows", 1000, "binary", 4, dict.fromkeys(KSERVES, 10)),
    Scenario("gRPC, raw contents, 1 row", 1, "grpc", 16, dict.fromkeys(KSERVES, 10) | dict.fromkeys(BARE_GRPC, 0.8)),
    Scenario(
        "gRPC, raw contents, 1 000 rows", 1000, "grpc", 4, dict.fromkeys(KSERVES, 8) | dict.fromkeys(BARE_GRPC, 0.0)
    ),
)


class Measured(NamedTuple):
    """The rounds of one server in one scenario."""

    rates: list[float]
    p99s: list[float]

    @property
    def rate(self) -> float:
        return median(self.rates)

    @property
    def p99(self) -> float:
        return median(self.p99s)

    @property
    def spread(self) -> float:
        """Half of the range, as a part of the median."""
        return (max(self.rates) - min(self.rates)) / 2 / self.rate


Results = list[tuple[Scenario, dict[Server, Measured]]]


def compare(
    registry: Path, rounds: int, seconds: float, only: tuple[Server, ...] = (*ALL, wide.WIDE, *wide.PEERS)
) -> Results:
    """Installs, starts and warms up all, and measures; who is not asked stands idle on the same core."""
    wide.trained()
    for server in only:
        servers.install(server)
    loads: dict[tuple[int, Server], list[Load]] = defaultdict(list)
    with ExitStack() as stack, Progress(transient=True) as progress:
        task = progress.add_task("Starting")
        started = {
            server: stack.enter_context(servers.running(server, registry, 9300 + 10 * number))
            for number, server in enumerate(only)
        }
        pairs = [
            (number, server) for number, each in enumerate(SCENARIOS) for server in each.asked if server in started
        ]
        progress.update(task, total=len(pairs) * (rounds + 1), description="Warming up")
        for number, server in pairs:
            _ask(SCENARIOS[number], started[server], min(seconds, 2))
            progress.advance(task)
        progress.update(task, description="Measuring")
        for number, server in _shuffled(pairs, rounds):
            loads[number, server].append(_ask(SCENARIOS[number], started[server], seconds))
            progress.advance(task)
    results: Results = [(scenario, {}) for scenario in SCENARIOS]
    for (number, server), each in loads.items():
        results[number][1][server] = Measured([run.rate for run in each], [run.p99 for run in each])
    return results


def _shuffled(pairs: list[tuple[int, Server]], rounds: int) -> Iterator[tuple[int, Server]]:
    order = random.Random(6)  # noqa: S311 - an order, no secret
    for _ in range(rounds):
        order.shuffle(pairs)
        yield from pairs


def _ask(scenario: Scenario, running: Running, seconds: float) -> Load:
    if scenario.protocol == "grpc":
        target = f"127.0.0.1:{running.grpc_port}"
        return load.grpc(target, payloads.v2_grpc(scenario.rows), 4, scenario.at_once, seconds)
    body = running.server.body
    assert body is not None
    sent = payloads.v2_binary(scenario.rows) if scenario.protocol == "binary" else body(scenario.rows)
    return load.http(running.url(), sent, scenario.at_once, seconds)
