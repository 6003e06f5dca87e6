"""When a queue stands, and when a refusal is sent; times are in seconds of `time.perf_counter`.

A queue that is short again and again is a burst, and all who wait in it are soon answered. One that stands only makes
everybody late. So as many may wait as come while the queue was short within the last `patience` seconds, and else only
a few (Maurer, «Fail at Scale», ACM Queue 13-8, 2015, after CoDel of Nichols and Jacobson, RFC 8289).
"""

from model_server.errors import Overloaded
from model_server.overload.constants import CALM, REFUSALS


class Queue:
    """Knows whether it stands: whether it has not been short for more than `patience` seconds."""

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
        """Whether only a few may wait now."""
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
