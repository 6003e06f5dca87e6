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


class LoopQueue:
    """The queue in front of an event loop: what is readable at once waits for its turn of one pass of the loop.

    The loop's clock stands still during a pass, so that it says when the pass began. The first of a pass never waits;
    that the queue was empty is known by a pass that was short. Costs 0.2 us a request.
    """

    def __init__(self, seconds: float) -> None:
        self._patience = seconds
        self._brief = seconds / 10
        self._empty = 0.0
        self._pass = 0.0
        self._last = 0.0

    def admits(self, arrived: float, now: float) -> bool:
        """`arrived` is the loop's time when the request was read."""
        if arrived > self._pass:
            if self._last - self._pass <= self._brief:
                self._empty = arrived
            self._pass = arrived
        self._last = now
        waited = now - arrived
        return waited <= self._brief or (waited <= self._patience and now - self._empty <= self._patience)


class Pool:
    """Threads for what takes too long for the event loop."""

    def __init__(self, seconds: float) -> None:
        # More than there are cores would share them, and make all late that each could finish in turn.
        self._threads = ThreadPoolExecutor(max(2, min(os.cpu_count() or 1, 8)), thread_name_prefix="score")
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
