"""What a Gateway costs: the same pod is asked straight, from within its own network, and through the Gateway.

`make kind` makes such a release. Asking from within the pod takes root; all of it is loopback.
"""

from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil

from benchmarks import load, machine, payloads

HOST = "loan.localhost"
ASKED = (("1 row", 1, 1), ("1 row", 1, 16), ("1 000 rows", 1000, 4))
ROUNDS, SECONDS = 5, 3.0


class Way(NamedTuple):
    """One way to the pod: where REST and gRPC are, what the load generator begins with, and the host that it names."""

    http: str
    grpc: str
    within: list[str]
    host: str

    def rate(self, protocol: str, rows: int, connections: int) -> float:
        if protocol == "REST":
            url = f"http://{self.http}/v2/models/loan/infer"
            return load.http(url, payloads.v2(rows), connections, SECONDS, self.within, self.host).rate
        message = payloads.v2_grpc(rows)
        return load.grpc(self.grpc, message, connections, connections, SECONDS, self.within, self.host).rate


def write(path: Path) -> None:
    on = machine.described()
    straight = Way("127.0.0.1:8080", "127.0.0.1:8081", ["nsenter", f"--target={_server()}", "--net"], "")
    through = Way("127.0.0.1:30080", "127.0.0.1:30080", [], HOST)
    lines = [
        "# Through the Gateway\n",
        f"A pod asked straight and through Envoy Gateway, by turns; all of it shares {on}. Median of {ROUNDS} rounds "
        f"of {SECONDS:g} s after a warm-up.\n",
        "| asked | connections | straight, requests/s | through the Gateway, requests/s | added to a request, ms |",
        "|---|---|---|---|---|",
    ]
    for name, rows, connections in ASKED:
        for protocol in ("REST", "gRPC"):
            rates = [[way.rate(protocol, rows, connections) for way in (straight, through)] for _ in range(ROUNDS + 1)]
            there, here = (median(each) for each in zip(*rates[1:], strict=True))
            added = connections * 1000 * (1 / here - 1 / there)
            lines.append(f"| {protocol}, {name} | {connections} | {there:,.0f} | {here:,.0f} | {added:.2f} |")
    path.write_text("\n".join(lines) + "\n")


def _server() -> int:
    """The process of a pod that serves: `loan serve` in another network than this one."""
    here = Path("/proc/self/ns/net").readlink()
    for process in psutil.process_iter(["cmdline"]):
        with suppress(OSError, psutil.Error):
            command = " ".join(process.info["cmdline"] or ())
            if "loan serve" in command and Path(f"/proc/{process.pid}/ns/net").readlink() != here:
                return int(process.pid)
    raise RuntimeError("No pod serves here; `make kind` makes one.")
