"""What is taken on when more is asked than can be done: the rest is refused at once, instead of being answered late.

A queue that empties again and again is a burst, and all who wait in it are soon answered. One that does not only makes
everybody late. So a request may wait `seconds` while the queue was empty within that time, and else a tenth of it
(Maurer, «Fail at Scale», ACM Queue 13-8, 2015, after CoDel of Nichols and Jacobson, RFC 8289).
"""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from model_server.errors import Overloaded

T = TypeVar("T")


class Queue:
    """Says whom to refuse; times are in seconds of `time.perf_counter`. Threads may share it."""

    def __init__(self, seconds: float) -> None:
        self._patience = seconds
        self._brief = seconds / 10
        self._empty = 0.0  # when it was so last

    def admits(self, arrived: float, now: float) -> bool:
        """Asked when it is the request's turn."""
        if now - arrived <= self._brief:
            self._empty = now
            return True
        return now - arrived <= self._patience and now - self._empty <= self._patience


def _soon(callback: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon(callback)


class LoopQueue:
    """The queue in front of an event loop: what is readable at once waits for its turn of one pass of the loop.

    A pass begins with its first request, which asks to be told by `soon` when the loop has come round. That the queue
    was empty is known by a pass that was short.
    """

    def __init__(self, seconds: float, soon: Callable[[Callable[[], None]], None] = _soon) -> None:
        self._patience = seconds
        self._brief = seconds / 10
        self._soon = soon
        self._empty = 0.0
        self._pass: float | None = None  # when it began
        self._length = 0.0

    def admits(self, now: float) -> bool:
        """Asked when it is the request's turn."""
        if self._pass is None:
            if self._length <= self._brief:
                self._empty = now
            self._pass = now
            self._soon(self._end)
        self._length = now - self._pass
        return self._length <= self._brief or (self._length <= self._patience and now - self._empty <= self._patience)

    def _end(self) -> None:
        self._pass = None


class Pool:
    """Threads for what takes too long for the event loop."""

    def __init__(self, seconds: float) -> None:
        # More than there are cores for this process would share them, and make all late that each could finish in turn.
        self._threads = ThreadPoolExecutor(min(len(os.sched_getaffinity(0)), 8), thread_name_prefix="score")
        self._loaders = ThreadPoolExecutor(8, thread_name_prefix="registry")
        self._queue = Queue(seconds)

    async def load(self, work: Callable[[], T]) -> T:
        """The result of what may have to wait for the registry, in threads that are for nothing else."""
        return await asyncio.get_running_loop().run_in_executor(self._loaders, work)

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`; Overloaded when it waited too long for a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._run, work, time.perf_counter())

    def _run(self, work: Callable[[], T], arrived: float) -> T:
        if not self._queue.admits(arrived, time.perf_counter()):
            raise Overloaded
        return work()
