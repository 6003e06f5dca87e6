"""Threads for what takes too long for the event loop: scoring, and waiting for the registry."""

import asyncio
import contextvars
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from model_server.errors import NotReady, Overloaded
from model_server.overload.constants import FEW, LOADERS, LOADING, NICER, SCORERS
from model_server.overload.policy import Queue

T = TypeVar("T")


def _yield_to_loop() -> None:
    """On one core a thread that scores may run for milliseconds before the loop, which others wait for, is woken."""
    if sys.platform == "linux":  # elsewhere it would be the whole process
        os.nice(NICER)


def _cores() -> int:
    """Those that this process may use; all where the system does not tell, as macOS."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ThreadPools:
    """Threads that score, and threads that wait for the registry.

    Work begins when the loop says so, and not when a thread is free: a thread that goes from one to the next takes
    Python's lock again and again before the loop has had it, and others wait.
    """

    def __init__(self, patience: float) -> None:
        # More than there are cores for this process would share them, and make all late that each could finish in turn.
        count = min(_cores(), SCORERS)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="score", initializer=_yield_to_loop)
        self._turns = asyncio.Semaphore(count)
        self._loaders = ThreadPoolExecutor(LOADERS, thread_name_prefix="registry")
        self._queue = Queue(patience)
        self._waiting = self._loading = 0

    async def load_version(self, work: Callable[[], T]) -> T:
        """As `load`, for requests, which may be many; NotReady when too many wait for versions already."""
        if self._loading == LOADING:
            raise NotReady("Too many requests wait for versions of the model to be loaded; retry.")
        self._loading += 1
        try:
            return await self.load(work)
        finally:
            self._loading -= 1

    async def load(self, work: Callable[[], T]) -> T:
        """The result of what may have to wait for the registry, in threads that are for nothing else."""
        context = contextvars.copy_context()  # in which a log line finds the request that it is about
        return await asyncio.get_running_loop().run_in_executor(self._loaders, context.run, work)

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`; Overloaded when too many wait for a thread, or this waited too long for one."""
        arrived = time.perf_counter()
        if self._waiting < FEW:
            self._queue.short(arrived)
        elif self._queue.stands(arrived):
            self._queue.refused(arrived)
            raise Overloaded
        await self._turn()
        try:
            if time.perf_counter() - arrived > self._queue.patience:
                raise Overloaded
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._turns.release()

    async def _turn(self) -> None:
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
