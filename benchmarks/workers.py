"""What a second worker gains where both, and who asks them, share the same two cores."""

from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks import load, payloads, servers
from benchmarks.servers import OURS, Running

CORES = "0,1"
ROUNDS, SECONDS = 5, 3.0


def table(registry: Path) -> str:
    lines = ["| asked | one worker, requests/s | two workers, requests/s | gain |", "|---|---|---|---|"]
    with ExitStack() as stack:
        one, two = (
            stack.enter_context(
                servers.running(OURS._replace(command=f"{OURS.command} --workers {count}"), registry, port, CORES)
            )
            for count, port in ((1, 9500), (2, 9510))
        )
        asked = {
            "REST, JSON, 1 row": lambda server: _rest(server, 1, 16),
            "REST, JSON, 1 000 rows": lambda server: _rest(server, 1000, 16),
        }
        if load.GHZ.exists():
            asked["gRPC, raw contents, 1 row"] = lambda server: _grpc(server, 1)
        for name, ask in asked.items():
            rates = [(ask(one), ask(two)) for _ in range(ROUNDS + 1)][1:]  # the first warms up
            single, double = median(rate for rate, _ in rates), median(rate for _, rate in rates)
            gain = median(second / first for first, second in rates)
            lines.append(f"| {name} | {single:,.0f} | {double:,.0f} | {gain:.2f} |")
    return "\n".join(lines)


def _rest(server: Running, rows: int, connections: int) -> float:
    return load.http(server.url(), payloads.v2(rows), connections, SECONDS, load.on(CORES)).rate


def _grpc(server: Running, rows: int) -> float:
    target = f"127.0.0.1:{server.grpc_port}"
    return load.grpc(target, payloads.v2_grpc(rows), 16, 16, SECONDS, load.on(CORES)).rate
