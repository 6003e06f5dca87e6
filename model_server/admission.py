"""What is taken on when more is asked than can be done: the rest is refused, instead of being answered late.

A queue that is short again and again is a burst, and all who wait in it are soon answered. One that stands only makes
everybody late. So as many may wait as come while the queue was short within the last `patience` seconds, and else only
a few (Maurer, «Fail at Scale», ACM Queue 13-8, 2015, after CoDel of Nichols and Jacobson, RFC 8289).
"""

import asyncio
import contextvars
import os
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from model_server.errors import Overloaded

T = TypeVar("T")

FEW = 16  # that wait keep a server busy; twice as many are no overload yet,
BRIEF = 0.0015  # nor are those who are answered in twice this time, s
LOOK_SECONDS = 0.05  # between two looks at how many wait
CALM = 1.5 * Overloaded.retry_seconds  # without a refusal ends an overload: all who were refused could ask again
REFUSALS = 1000  # a second
NICER = 5  # than the event loop is a thread that scores: Linux has a priority for each thread


class Queue:
    """Knows whether it stands; times are in seconds of `time.perf_counter`."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self._short = self._refused = float("-inf")  # when it was so last, and when somebody was

    def short(self, now: float) -> None:
        """Told when it is, which it also is because others are refused."""
        if now - self._refused > CALM:
            self._short = now

    def refused(self, now: float) -> None:
        """Told when somebody is."""
        self._refused = now

    def stands(self, now: float) -> bool:
        return now - self._short > self.patience


class Pace:
    """When a refusal is sent: of many each after the other, as who is refused asks again at once.

    To refuse a row takes half as long as to answer it, so that a server which refuses as fast as it can does little
    else. Until it has its refusal, a caller is not read.
    """

    def __init__(self) -> None:
        self._next = 0.0

    def delay(self, now: float) -> float:
        """Seconds to wait before this one, no longer than the refused are told to wait before they ask again."""
        sent = min(max(self._next, now), now + Overloaded.retry_seconds)
        self._next = sent + 1 / REFUSALS
        return sent - now


def _soon(callback: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon(callback)


class LoopQueue:
    """The queue in front of an event loop: what is readable at once waits for its turn of one pass of the loop.

    A pass begins with its first request, which asks to be told by `soon` when the loop has come round. While the queue
    stands, chance admits as many as make a short pass: by their place in it, it would always be the same callers.
    """

    def __init__(self, patience: float, soon: Callable[[Callable[[], None]], None] = _soon) -> None:
        self._queue = Queue(patience)
        self._soon = soon
        self._length = self._admitted = 0  # of the pass
        self._began = self._last = 0.0
        self._share = 1.0  # for which there was room in the pass before
        self._looked = 0.0
        self._asked = self._fitted = 0.0  # since then

    def admits(self, now: float) -> bool:
        """Asked when it is the request's turn."""
        if self._length == 0:
            if now - self._last > LOOK_SECONDS:
                self._queue.short(now)
            self._began = now
            self._soon(self._end)
        self._length += 1
        self._last = now
        if self._may_wait(now):
            self._admitted += 1
            return True
        self._queue.refused(now)
        return False

    def _may_wait(self, now: float) -> bool:
        if now - self._began > self._queue.patience:
            return False
        return self._share == 1 or not self._queue.stands(now) or random.random() < self._share  # noqa: S311

    def _end(self) -> None:
        took = self._last - self._began
        room = max(FEW, self._admitted * BRIEF / took) if took > BRIEF else self._length
        self._share = min(1.0, room / self._length)
        self._asked += self._length
        self._fitted += self._length * self._share
        self._length = self._admitted = 0
        if self._last - self._looked >= LOOK_SECONDS:
            if self._fitted * 2 >= self._asked:
                self._queue.short(self._last)
            self._looked, self._asked, self._fitted = self._last, 0.0, 0.0


def _yield_to_loop() -> None:
    """On one core a thread that scores may run for milliseconds before the loop, which others wait for, is woken."""
    if sys.platform == "linux":  # elsewhere it would be the whole process
        os.nice(NICER)


def _cores() -> int:
    """Those that this process may use; all where the system does not tell, as macOS."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Pool:
    """Threads for what takes too long for the event loop.

    Work begins when the loop says so, and not when a thread is free: a thread that goes from one to the next takes
    Python's lock again and again before the loop has had it, and others wait.
    """

    def __init__(self, patience: float) -> None:
        # More than there are cores for this process would share them, and make all late that each could finish in turn.
        count = min(_cores(), 8)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="score", initializer=_yield_to_loop)
        self._turns = asyncio.Semaphore(count)
        self._loaders = ThreadPoolExecutor(8, thread_name_prefix="registry")
        self._queue = Queue(patience)
        self._waiting = 0

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
