"""Which requests of a server are answered now, over both ports, and when the others are refused."""

import time

from model_server.errors import Overloaded
from model_server.metrics import Metrics
from model_server.overload.event_loop import LoopQueue
from model_server.overload.policy import Pace


class Admission:
    """The queue of one event loop, and the pace of its refusals, which are counted."""

    def __init__(self, patience: float, metrics: Metrics) -> None:
        self.queue = LoopQueue(patience)
        self._pace = Pace()
        self._metrics = metrics

    def admit(self, now: float, came: float = float("inf")) -> None:
        """Overloaded where the request is not to be answered; times as `LoopQueue.admits`."""
        if not self.queue.admits(now, came):
            raise Overloaded

    def refuse(self, what: str) -> float:
        """Counts a request that is refused, by its protocol; the seconds after which it is told."""
        self._metrics.shed(what)
        return self._pace.delay(time.perf_counter())
