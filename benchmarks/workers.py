"""What a second worker gains, ours and the peers': servers and who asks them share the same two cores."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from rich.progress import track

from benchmarks import load, payloads, servers
from benchmarks.servers import (
    BENTOML,
    BENTOML_WORKERS,
    FASTAPI,
    FASTAPI_WORKERS,
    KSERVE,
    KSERVE_WORKERS,
    MLSERVER,
    MLSERVER_PARALLEL,
    MLSERVER_PARALLEL_2,
    OURS,
    Running,
    Server,
)

CORES = "0,1"
ROUNDS, SECONDS = 3, 3.0
ONE, TWO = (OURS._replace(command=f"{OURS.command} --workers {count}", settings=f"workers {count}") for count in (1, 2))
PEERS = (
    KSERVE,
    KSERVE_WORKERS,
    MLSERVER,
    MLSERVER_PARALLEL,
    MLSERVER_PARALLEL_2,
    FASTAPI,
    FASTAPI_WORKERS,
    BENTOML,
    BENTOML_WORKERS,
)


def table(registry: Path) -> str:
    """Requests a second of each server and choice of settings, and how many times that ours with two workers has."""
    for server in PEERS:
        servers.install(server)
    with ExitStack() as stack:
        running = {
            server: stack.enter_context(servers.running(server, registry, 9500 + 10 * number, CORES))
            for number, server in enumerate((ONE, TWO, *PEERS))
        }
        one_row = _rates(running, lambda server: _rest(server, 1))
        many = _rates(running, lambda server: _rest(server, 1000))
        ours = {server: each for server, each in running.items() if server in {ONE, TWO} and load.GHZ.exists()}
        grpc = _rates(ours, _grpc)
    lines = [
        "| server | settings | 1 row, requests/s | of loan's two | 1 000 rows, requests/s | of loan's two |",
        "|---|---|---|---|---|---|",
    ]
    for server in running:
        cells = [server.name, server.settings]
        for rates in (one_row, many):
            cells += [f"{rates[server]:,.0f}", f"{rates[server] / rates[TWO]:.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
    said = f"gRPC, 1 row, raw contents: {grpc[ONE]:,.0f} and {grpc[TWO]:,.0f} requests/s of loan's." if grpc else ""
    return "\n".join([*lines, "", said]).rstrip()


def _rates(running: dict[Server, Running], ask: Callable[[Running], float]) -> dict[Server, float]:
    """The median of the rounds, in each of which all are asked in turn; the first warms up."""
    rounds = [
        {server: ask(each) for server, each in running.items()}
        for _ in track(range(ROUNDS + 1), "Measuring workers", transient=True)
    ][1:]
    return {server: median(each[server] for each in rounds) for server in running}


def _rest(server: Running, rows: int) -> float:
    assert server.server.body is not None
    return load.http(server.url(), server.server.body(rows), 16, SECONDS, load.on(CORES)).rate


def _grpc(server: Running) -> float:
    target = f"127.0.0.1:{server.grpc_port}"
    return load.grpc(target, payloads.v2_grpc(1), 16, 16, SECONDS, load.on(CORES)).rate
