"""The group: starts the workers, brings back one that ends, and stops them all in order."""

import asyncio
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import structlog
import uvloop

from model_server.controlplane import ControlPlane, launcher
from model_server.monitor_gauges import MonitorGauges
from model_server.ports import reserve
from model_server.settings import ServerSettings
from model_server.workers.channel import Channel
from model_server.workers.members import Members
from tabular_model.errors import ModelError
from tabular_model.registry import Registry
from training_job.launch import Outcome, TrainingParameters

log = structlog.get_logger(__name__)

T = TypeVar("T")
ACCOUNT_SECONDS = 1.0  # what a worker that is killed has counted since then is lost
LONGEST_PAUSE = 30.0  # before a worker that did not come up is started again
STOP_SECONDS = 10.0  # beyond the grace, before a worker is killed


class WorkerGroup:
    """Serves by `settings.workers` processes until SIGTERM or SIGINT."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._ports = reserve(settings)
        self._members = Members()
        self._gauges = MonitorGauges.of(settings, self._members)
        registry = Registry.open(settings.registry, create=True, verify_key=settings.verify_key)
        self._control = ControlPlane(registry, self._members, launcher(settings))
        self._processes: set[Process] = set()

    def run(self) -> None:
        """ModelError when the first worker cannot start; one that ends later is started again."""
        uvloop.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        keeping = asyncio.create_task(self._keep_all())
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, keeping.cancel)
        try:
            await keeping
        except asyncio.CancelledError:
            log.info("stopping", workers=len(self._processes))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            await self._stop()

    async def _keep_all(self) -> None:
        served = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep(served))
            await served.wait()  # so that the first is there sooner, and what is wrong with all is said once
            for _ in range(self._settings.workers - 1):
                tasks.create_task(self._keep(served))
            tasks.create_task(self._every(ACCOUNT_SECONDS, self._members.account))
            tasks.create_task(self._every(self._settings.refresh_seconds, self._members.refresh))

    async def _keep(self, served: asyncio.Event) -> None:
        """One worker after the other; `served` once any has."""
        pause = 0.0
        while True:
            joined = asyncio.Event()
            process = await self._start(joined, served)
            code = await process.wait()
            self._processes.discard(process)
            if not served.is_set():
                raise ModelError("No worker could start; the lines above have the cause.")
            log.error("a worker ended", pid=process.pid, code=code)
            pause = 0.0 if joined.is_set() else min(2 * pause + 1, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _start(self, joined: asyncio.Event, served: asyncio.Event) -> Process:
        ours, theirs = socket.socketpair()
        command = (sys.executable, "-m", "model_server.workers.worker", str(theirs.fileno()))
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, pass_fds=[theirs.fileno()])
        theirs.close()
        self._processes.add(process)

        def join() -> None:
            self._members.join(channel, process.pid)

        def serving() -> None:
            for event in (joined, served):
                self._loop.call_soon_threadsafe(event.set)

        methods = self._methods() | {"join": join, "serving": serving}
        channel = Channel(ours, methods, lambda: self._members.leave(channel))
        process.stdin.write(self._settings.model_dump_json().encode())  # type: ignore[union-attr]
        process.stdin.close()  # type: ignore[union-attr]
        return process

    def _methods(self) -> dict[str, Callable[..., Any]]:
        """What a worker may call."""

        def train(who: str, parameters: TrainingParameters, seconds: float) -> Outcome:
            return self._in_loop(self._control.train(who, parameters, seconds))

        def training(name: str, seconds: float) -> Outcome:
            return self._in_loop(self._control.training(name, seconds))

        return {
            "load": self._control.load,
            "unload": self._control.unload,
            "promote": self._control.promote,
            "train": train,
            "training": training,
            "exposition": self._members.exposition,
        }

    def _in_loop(self, doing: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result()

    async def _every(self, seconds: float, work: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await asyncio.to_thread(work)
            except Exception:
                log.exception("the workers cannot be reached")

    async def _stop(self) -> None:
        processes = list(self._processes)
        for process in processes:
            with suppress(ProcessLookupError):
                process.terminate()
        waiting = [asyncio.create_task(process.wait()) for process in processes]
        if waiting:
            await asyncio.wait(waiting, timeout=self._settings.grace_seconds + STOP_SECONDS)
        for process in processes:
            if process.returncode is None:
                process.kill()
        await self._control.stop()
        if self._gauges:
            self._gauges.stop()
        log.info("stopped")
