"""What the record of decisions costs: latencies of one-row requests at a fixed rate, with and without it.

Ten million rows a day are 116 a second. A request is sent when it is due, whether or not the others were answered, and
its latency is counted from then. At each rate both are asked one right after the other, and every other round in the
other order, so that what else the machine does falls on both alike.
"""

import selectors
import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

import httpx
import numpy as np

from benchmarks import machine, payloads
from benchmarks.servers import OURS, Running, running
from tabular_model.decisions.records import Records
from tabular_model.decisions.verify import verify

RATES = (120, 1200)  # rows a second: what is asked for, and ten times as much
ROUNDS, SECONDS, CONNECTIONS = 10, 2.5, 16
WRITTEN = 2.0  # s between two parts, thirty times as often as by default, so that many are written while it is measured
_HEAD = f"POST {OURS.path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: "


class Seen(NamedTuple):
    """Percentiles of the latencies, ms, and how many requests were refused for overload."""

    p50: float
    p99: float
    refused: int


def table(registry: Path) -> str:
    """Markdown; three minutes. RuntimeError if a row was not recorded."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "records"
        recording = OURS._replace(
            environment=f"{OURS.environment} LOAN_RECORDS={folder} LOAN_RECORDS_SECONDS={WRITTEN:g}",
            settings=f"{OURS.settings}, record",
        )
        servers = {
            "off": stack.enter_context(running(OURS, registry, 9600)),
            "on": stack.enter_context(running(recording, registry, 9610)),
        }
        rounds = [_round(servers, number) for number in range(ROUNDS + 1)][1:]
        rows = _recorded(servers["on"], folder)
    lines = [
        f"{machine.described()}. {ROUNDS} rounds of {SECONDS:g} s in pairs after a warm-up; "
        "the quartiles of their differences are in brackets. "
        f"{rows:,} rows were recorded and verified, none dropped.\n",
        "| rows/s | record | p50, ms: median, lowest | p99, ms: median, lowest | refused |",
        "| --- | --- | --- | --- | --- |",
    ]
    for rate in RATES:
        for name in servers:
            seen = [each[rate, name] for each in rounds]
            p50, p99, refused = zip(*seen, strict=True)
            times = " | ".join(f"{median(each):.2f}, {min(each):.2f}" for each in (p50, p99))
            lines.append(f"| {rate} | {name} | {times} | {sum(refused)} |")
    for rate in RATES:
        more = [each[rate, "on"].p99 - each[rate, "off"].p99 for each in rounds]
        low, middle, high = np.percentile(more, (25, 50, 75))
        lines.append(
            f"\nIn pairs at {rate} rows/s the record adds {middle:+.2f} ms to p99 ({low:+.2f} to {high:+.2f})."
        )
    return "\n".join(lines)


def _round(servers: dict[str, Running], number: int) -> dict[tuple[int, str], Seen]:
    seen = {}
    for rate in RATES:
        for name in sorted(servers, reverse=number % 2 == 1):
            seen[rate, name] = ask(servers[name], rate)
            time.sleep(1.25 * WRITTEN)  # the last part is written before the next one is asked
    return seen


def ask(server: Running, rate: float) -> Seen:
    """Sends one-row requests at the rate for `SECONDS`; RuntimeError when one fails but for overload."""
    content = payloads.v2(1).content
    request = f"{_HEAD}{len(content)}\r\n\r\n".encode() + content
    took: list[float] = []
    refused = 0
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        connections = [stack.enter_context(_connected(server)) for _ in range(CONNECTIONS)]
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
        due: dict[socket.socket, list[float]] = {connection: [] for connection in connections}
        count = round(rate * SECONDS)
        began = time.perf_counter() + 0.05
        sent = 0
        while len(took) < count:
            now = time.perf_counter()
            while sent < count and began + sent / rate <= now:
                connection = connections[sent % CONNECTIONS]
                due[connection].append(began + sent / rate)
                connection.sendall(request)
                sent += 1
            wait = max(began + sent / rate - time.perf_counter(), 0) if sent < count else 5.0
            ready = selector.select(wait)
            if not ready and sent == count:
                raise RuntimeError(f"{count - len(took)} requests were not answered")
            for key, _ in ready:
                came = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                answers, good, full = (came.count(b"HTTP/1.1 " + status) for status in (b"", b"200 ", b"503 "))
                if answers != good + full or not came:
                    raise RuntimeError(f"a request was answered with {came[:200]!r}")
                refused += full
                now = time.perf_counter()
                took += [now - due[key.fileobj].pop(0) for _ in range(answers)]  # type: ignore[index]
    p50, p99 = (float(each) * 1e3 for each in np.percentile(took, (50, 99)))
    return Seen(p50, p99, refused)


def _connected(server: Running) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.http_port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _recorded(server: Running, folder: Path) -> int:
    """The rows in the record once all are written, after it was verified."""
    time.sleep(2 * WRITTEN)
    metrics = httpx.get(f"http://127.0.0.1:{server.http_port}/metrics").text
    counts = {
        result: _count(metrics, f'loan_record_rows_total{{result="{result}"}}')
        for result in ("written", "full", "failed")
    }
    records = Records.open(str(folder))
    found = [verify(records, day) for day in records.days()]
    rows = sum(day.rows for day in found)
    if counts != {"written": rows, "full": 0, "failed": 0} or any(day.faults for day in found):
        raise RuntimeError(f"the server counted {counts}, and {rows} rows are in the record")
    return rows


def _count(metrics: str, name: str) -> int:
    return int(float(next(line for line in metrics.splitlines() if line.startswith(name)).split()[-1]))
