"""Measures good requests beside attacks: `python -m tests.model_server.attacks REGISTRY [PART OF A NAME]`.

Four connections ask at 100 requests a second while another process attacks; the median and 99th percentile of their
latency (ms) stand beside those without an attack, each taken just before. The server has one core, and who asks and who
attacks another, where the attacker gets what the good client leaves: what makes an answer late is the server, and not
the attacker's own work. All load goes to loopback and ends by itself.
"""

import asyncio
import json
import multiprocessing
import os
import resource
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import uvloop

from model_server.settings import ServerSettings
from tests.model_server.serving import serving, v2_columns
from tests.model_server.test_http import infer
from tests.model_server.test_limits import MODEL_INFER, REASONS

SECONDS = 6.0
SERVER_CORE, LOAD_CORE = 0, (os.cpu_count() or 1) - 1
QUEUE_SECONDS = ServerSettings.model_fields["queue_seconds"].default


def again(port: int, content: bytes, connections: int = 4) -> None:
    """Sends the same on some connections without waiting for answers, and anew when closed."""

    def run() -> None:
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                    connection.settimeout(5)
                    while True:
                        connection.sendall(content)
                        if not connection.recv(2**16):
                            break
            except OSError:
                time.sleep(0.01)

    for _ in range(connections):
        threading.Thread(target=run, daemon=True).start()


def trickling(port: int, content: bytes, count: int) -> None:
    """Many connections that send a byte in turn."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    opened = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for byte in content:
        for connection in opened:
            try:
                connection.send(bytes([byte]))
            except OSError:
                continue
        time.sleep(0.2)
    time.sleep(60)


def calling(target: str, content: bytes, **options: Any) -> None:
    """Makes the same call four times at once, again and again."""

    def run() -> None:
        with grpc.insecure_channel(target, [("grpc.max_send_message_length", -1)]) as channel:
            while True:
                with suppress(grpc.RpcError):
                    channel.unary_unary(MODEL_INFER)(content, timeout=10, **options)

    for _ in range(4):
        threading.Thread(target=run, daemon=True).start()


def silent(target: str, count: int) -> None:
    """Begins calls and sends nothing; those that are ended are begun again."""
    calls: list[Any] = []
    with ExitStack() as stack:
        channels = [stack.enter_context(grpc.insecure_channel(target, [("number", n)])) for n in range(8)]
        while True:
            calls = [call for call in calls if not call.done()]
            for channel in islice(cycle(channels), count - len(calls)):
                calls.append(channel.stream_unary(MODEL_INFER).future(_nothing()))
            time.sleep(0.01)


def _nothing() -> Iterator[bytes]:
    time.sleep(60)
    yield b""


def chunked(size: int) -> bytes:
    part = b"%x\r\n%b\r\n" % (65_536, b" " * 65_536)
    return infer(b"", content_length=None, transfer_encoding="chunked") + part * (size // 65_536)


COLUMNS = json.dumps(v2_columns(np.array([[41, 82000, 715, 15000, 5, 3, 0.0]])))
ATTACKS: dict[str, Callable[[int], None]] = {
    "2 000 heads a byte at a time": lambda port: trickling(port, infer(), 2000),
    "2 000 bodies a byte at a time": lambda port: trickling(port, infer()[:100] + infer()[100:], 2000),
    "10 000 idle connections": lambda port: trickling(port, b"G", 9000),
    "40 MB without a length, 4 at once": lambda port: again(port, chunked(40 * 2**20)),
    "200 000 brackets": lambda port: again(port, infer(b'{"inputs": ' + b"[" * 200_000)),
    "an object of 100 000 fields": lambda port: again(
        port, infer(json.dumps(dict.fromkeys(map(str, range(100_000)))).encode())
    ),
    "a number of a million digits": lambda port: again(port, infer(COLUMNS.replace("41.0", "9" * 10**6).encode())),
    "2^63 rows": lambda port: again(port, infer(COLUMNS.replace("[1]", f"[{2**63 - 1}]").encode())),
    "300 requests at once, pipelined": lambda port: again(port, infer() * 300),
    "heads of 60 kB": lambda port: again(port, infer(cookie="x" * 60_000)),
    "reasons for 4 000 rows": lambda port: again(port, infer(REASONS)),
}

GRPC_ATTACKS: dict[str, Callable[[str], None]] = {
    "gRPC: messages of 40 MB, 4 at once": lambda target: calling(target, bytes(40 * 2**20)),
    "gRPC: 64 MB packed into 64 kB, 4 at once": lambda target: calling(
        target, bytes(2**26), compression=grpc.Compression.Gzip
    ),
    "gRPC: 400 calls that send nothing": lambda target: silent(target, 400),
}


async def good(port: int, seconds: float, rate: float = 100, connections: int = 4) -> tuple[list[float], Counter[int]]:
    """Latencies (s) of answers 200, measured from when each was due, and the statuses."""
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    started = time.perf_counter()
    content = infer()

    async def run(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        due = started + number / rate
        while time.perf_counter() < started + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            # From when it was sent if the connection was free, so that one late answer is not counted many times.
            since = max(due, time.perf_counter() - 0.001)
            writer.write(content)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            status = int(head.split()[1])
            statuses[status] += 1
            if status == 200:
                latencies.append(time.perf_counter() - since)
            due += connections / rate
        writer.close()

    await asyncio.gather(*(run(number) for number in range(connections)))
    return latencies, statuses


def measured(port: int, **options: Any) -> tuple[float, float, Counter[int]]:
    latencies, statuses = uvloop.run(good(port, SECONDS, **options))
    if not latencies:
        return float("nan"), float("nan"), statuses
    median, tail = np.percentile(latencies, [50, 99]) * 1e3
    return float(median), float(tail), statuses


def main(registry: Path, part: str = "") -> None:
    os.sched_setaffinity(0, {SERVER_CORE})  # which the server inherits
    with serving(registry, queue_seconds=QUEUE_SECONDS) as server:
        os.sched_setaffinity(0, {LOAD_CORE})
        process = psutil.Process(server.process.pid)
        measured(server.http_port)
        print(
            "| attack | p50 before | p50 beside | p99 before | p99 beside | answers | memory, MB |\n" + "|---" * 7 + "|"
        )
        attacks = {name: partial(attack, server.http_port) for name, attack in ATTACKS.items()}
        attacks |= {name: partial(attack, server.grpc_target) for name, attack in GRPC_ATTACKS.items()}
        for name, attack in attacks.items():
            if part not in name:
                continue
            before = measured(server.http_port)
            attacker = multiprocessing.get_context("fork").Process(target=_attack, args=[attack])
            attacker.start()
            time.sleep(3 if "000 " in name else 1)
            beside = measured(server.http_port)
            size = process.memory_info().rss >> 20
            attacker.kill()
            attacker.join()
            print(
                f"| {name} | {before[0]:.1f} | {beside[0]:.1f} | {before[1]:.1f} | {beside[1]:.1f} "
                f"| {dict(beside[2])} | {size} |",
                flush=True,
            )
            time.sleep(1)


def _attack(attack: Callable[[], None]) -> None:
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    attack()
    time.sleep(120)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
