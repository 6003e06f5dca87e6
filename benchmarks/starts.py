"""How long a server takes from its start to its first answer, and its memory after 10 000 requests."""

from pathlib import Path
from statistics import median

from benchmarks import load, servers
from benchmarks.servers import KSERVE, OURS, Server

ROUNDS, REQUESTS = 5, 10_000


def table(registry: Path) -> str:
    lines = ["| server | start to first answer, s | memory after 10 000 requests, MB |", "|---|---|---|"]
    for server in (OURS, KSERVE):
        seconds, memory = measure(server, registry)
        lines.append(f"| {server.name} | {seconds:.2f} | {memory:.0f} |")
    return "\n".join(lines)


def measure(server: Server, registry: Path, rounds: int = ROUNDS) -> tuple[float, float]:
    """The median of several starts, after one that fills the file cache, and the memory of the last one."""
    servers.install(server)
    seconds = []
    for number in range(rounds + 1):
        with servers.running(server, registry, 9500) as running:
            seconds.append(running.started_in)
            if number == rounds:
                answered = 0
                assert server.body is not None
                while answered < REQUESTS:
                    answered += load.http(running.url(), server.body(1), 16, 2).answered
                memory = running.memory()
    return median(seconds[1:]), memory
