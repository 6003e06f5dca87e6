"""What a Gateway costs: the same pod is asked through it, and straight, from within the pod's own network.

`make kind` makes such a release. Asking from within the pod takes root; all of it is loopback.
"""

from contextlib import suppress
from pathlib import Path
from statistics import median

import psutil

from benchmarks import load, payloads
from benchmarks.load import Load

GATEWAY, HOST = "127.0.0.1:30080", "loan.example.com"
PATH = "/v2/models/loan/infer"
ROUNDS, SECONDS = 5, 3.0


def write(path: Path) -> None:
    head = "asked | connections | straight, requests/s | through the Gateway, requests/s | added to a request, ms"
    lines = [f"| {head} |", "|---" * 5 + "|"]
    within = ["nsenter", f"--target={_server()}", "--net"]
    for name, rows, connections in (("1 row", 1, 1), ("1 row", 1, 16), ("1 000 rows", 1000, 4)):
        for protocol, ask in {"REST": _rest, "gRPC": _grpc}.items():
            pairs = [(ask(rows, connections, within), ask(rows, connections, None)) for _ in range(ROUNDS + 1)][
                1:
            ]  # the first warms up
            straight, through = (median(run.rate for run in runs) for runs in zip(*pairs, strict=True))
            added = connections * 1000 * (1 / through - 1 / straight)
            cells = [f"{protocol}, {name}", str(connections), f"{straight:,.0f}", f"{through:,.0f}", f"{added:.2f}"]
            lines.append(f"| {' | '.join(cells)} |")
    path.write_text("\n".join(["# Through the Gateway", "", __doc__.split("\n")[0], "", *lines]) + "\n")


def _rest(rows: int, connections: int, within: list[str] | None) -> Load:
    if within:
        return load.http(f"http://127.0.0.1:8080{PATH}", payloads.v2(rows), connections, SECONDS, within)
    return load.http(f"http://{GATEWAY}{PATH}", payloads.v2(rows), connections, SECONDS, [], HOST)


def _grpc(rows: int, connections: int, within: list[str] | None) -> Load:
    message = payloads.v2_grpc(rows)
    if within:
        return load.grpc("127.0.0.1:8081", message, connections, connections, SECONDS, within)
    return load.grpc(GATEWAY, message, connections, connections, SECONDS, [], HOST)


def _server() -> int:
    """The process of a pod that serves: `loan serve` in another network than this one."""
    here = Path("/proc/self/ns/net").readlink()
    for process in psutil.process_iter(["cmdline"]):
        with suppress(OSError, psutil.Error):
            command = " ".join(process.info["cmdline"] or ())
            if "loan serve" in command and Path(f"/proc/{process.pid}/ns/net").readlink() != here:
                return int(process.pid)
    raise RuntimeError("No pod serves here; `make kind` makes one.")
