"""The queue in front of an event loop: which requests are admitted."""

import asyncio
import random
from collections.abc import Callable

from model_server.overload.constants import BRIEF, FEW, LOOK_SECONDS
from model_server.overload.policy import Queue


def _soon(callback: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon(callback)


class LoopQueue:
    """The queue in front of an event loop: what is readable at once waits for its turn of one pass of the loop.

    A pass begins with its first request, which asks to be told by `soon` when the loop has come round. While the queue
    stands, chance admits as many as make a short pass: by their place in it, it would always be the same callers.
    `held` are those that connections have read and keep for later passes.
    """

    def __init__(self, patience: float, soon: Callable[[Callable[[], None]], None] = _soon) -> None:
        self._queue = Queue(patience)
        self._soon = soon
        self.held = 0
        self._length = self._admitted = 0  # of the pass
        self._began = self._last = 0.0
        self._share = 1.0  # for which there was room in the pass before
        self._looked = 0.0
        self._asked = self._fitted = 0.0  # since then

    def admits(self, now: float, came: float = float("inf")) -> bool:
        """Asked when it is the request's turn; `came` is when it was whole, if it was held since."""
        if self._length == 0:
            if now - self._last > LOOK_SECONDS:
                self._queue.short(now)
            self._began = now
            self._soon(self._end)
        self._length += 1
        self._last = now
        if self._may_wait(now, min(came, self._began)):
            self._admitted += 1
            return True
        self._queue.refused(now)
        return False

    def _may_wait(self, now: float, since: float) -> bool:
        if now - since > self._queue.patience:
            return False
        return self._share == 1 or not self._queue.stands(now) or random.random() < self._share  # noqa: S311

    def _end(self) -> None:
        took, length = self._last - self._began, self._length + self.held
        room = max(FEW, self._admitted * BRIEF / took) if took * length > BRIEF * self._length else length
        self._share = min(1.0, room / length)
        self._asked += length
        self._fitted += length * self._share
        self._length = self._admitted = 0
        if self._last - self._looked >= LOOK_SECONDS:
            if self._fitted * 2 >= self._asked:
                self._queue.short(self._last)
            self._looked, self._asked, self._fitted = self._last, 0.0, 0.0
