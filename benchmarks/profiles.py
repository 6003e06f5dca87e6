"""Where the time goes on the path of one row and of 1 000: a sampling profile of the protocol fed with requests."""

import asyncio
import time
from pathlib import Path
from typing import Any

import uvicorn
from pyinstrument import Profiler
from uvicorn.server import ServerState

from benchmarks import payloads
from loan_model.registry import Registry
from model_server.dataplane import DataPlane
from model_server.metrics import Metrics
from model_server.repository import ModelRepository
from model_server.rest.app import RestApp
from model_server.rest.plain import PlainDoor
from model_server.rest.protocol import HttpProtocol
from model_server.rest.v2 import V2Door
from model_server.settings import ServerSettings
from training_job.launch import ProcessLauncher

SECONDS = 4.0
SHOWN = 20


class _Transport:
    """Takes what is written; the kernel's share of a request is not in these profiles."""

    def write(self, content: bytes) -> None:
        assert content.startswith(b"HTTP/1.1 200"), content

    def resume_reading(self) -> None: ...


def text(registry: Path) -> str:
    return "\n\n".join(
        f"{rows:,} rows, seconds of {SECONDS:g} by function:\n\n```\n{asyncio.run(_profile(registry, rows))}\n```"
        for rows in (1, 1000)
    )


async def _profile(registry: Path, rows: int) -> str:
    settings, metrics = ServerSettings(registry=str(registry)), Metrics()
    repository = ModelRepository(Registry.open(registry), settings, metrics)
    repository.refresh()
    plane = DataPlane(repository, metrics)
    plain = PlainDoor(plane, ProcessLauncher(str(registry), settings.train_data), settings)
    app: Any = RestApp(V2Door(plane), plain, metrics, settings)
    protocol = HttpProtocol(uvicorn.Config(app, log_config=None), ServerState())
    transport: Any = _Transport()
    protocol.connection_made(transport)
    body = payloads.v2(rows).content
    lines = [b"POST /v2/models/loan/infer HTTP/1.1", b"host: x", b"content-type: application/json"]
    message = b"\r\n".join([*lines, b"content-length: %d" % len(body), b"", body])
    end = time.monotonic() + SECONDS
    with Profiler(interval=0.0002) as profiler:
        while time.monotonic() < end:
            protocol.data_received(message)
    said = profiler.output_text(show_all=True, timeline=False, flat=True).splitlines()
    return "\n".join([line for line in said if line[:1].isdigit()][:SHOWN])
