"""What HTTP connections share: limits, bytes that they hold, turns to read, and who goes when there are too many."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from model_server.errors import Overloaded, TooLarge
from model_server.settings import LimitSettings

NO_ROOM = "The server has no memory left for this request, because of other requests; retry in a second."


class Connection(Protocol):
    """`waits_since` is when it began to wait for its client, None while the client waits; times are the loop's."""

    @property
    def waits_since(self) -> float | None:
        """When the client's turn began, None while it is the server's."""

    def close(self) -> None:
        """Ends it for others to have room."""


class ConnectionLimits:
    """The limits of one server, and how near it is to them."""

    def __init__(self, settings: LimitSettings) -> None:
        self.max_body_bytes = settings.max_body_bytes
        self.idle_seconds = settings.idle_seconds
        self.head_seconds = settings.head_seconds
        self.body_seconds = settings.body_seconds
        self._max_held_bytes = settings.max_held_bytes
        self._max_connections = settings.max_connections
        self.held = 0
        self._unpacked = 0  # of it, by bodies that threads have unpacked
        self._lock = threading.Lock()  # of these
        self._turns: deque[Callable[[], None]] = deque()

    def hold(self, size: int) -> None:
        """Counts bytes of a body; Overloaded, and then they are not counted, when all hold too many.

        For the event loop's thread; who counts no longer takes them from `held`.
        """
        if self.held + self._unpacked + size > self._max_held_bytes:
            raise Overloaded(NO_ROOM)
        self.held += size

    def hold_unpacked(self, size: int) -> None:
        """Counts what a body was unpacked to, as `hold`, in any thread; negative to count it no longer."""
        with self._lock:
            if size > 0 and self.held + self._unpacked + size > self._max_held_bytes:
                raise Overloaded(NO_ROOM)
            self._unpacked += size

    def in_turn(self, read_on: Callable[[], None]) -> None:
        """Calls `read_on` in a pass of the loop in which no other of those who send much reads on."""
        self._turns.append(read_on)
        if len(self._turns) == 1:
            asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        read_on = self._turns.popleft()
        if self._turns:
            asyncio.get_running_loop().call_soon(self._next_turn)
        read_on()

    def make_room(self, connections: Collection[Connection]) -> None:
        """For one more connection where there are enough, closes the tenth of them that has waited longest.

        Overloaded when every one is being answered.
        """
        if len(connections) < self._max_connections:
            return
        waiting = _longest_first(connections)
        if not waiting:
            raise Overloaded(f"All {self._max_connections} connections are in use; retry in a second.")
        for connection in waiting[: max(1, self._max_connections // 10)]:
            connection.close()


def _longest_first(connections: Iterable[Connection]) -> list[Connection]:
    waiting = [(since, number, c) for number, c in enumerate(connections) if (since := c.waits_since) is not None]
    return [connection for _, _, connection in sorted(waiting)]


class Body:
    """One request's body, counted among what all hold until it is released, unpacked too; `size` is in bytes."""

    __slots__ = ("_content", "_limits", "_unpacked", "size")

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._content: bytes | bytearray = b""
        self.size = self._unpacked = 0

    @property
    def limit(self) -> int:
        """Bytes that one body may have, unpacked too."""
        return self._limits.max_body_bytes

    def take(self, part: bytes) -> None:
        """Adds what came; Overloaded when all hold too much, TooLarge when this is more than one may have."""
        size = len(part)
        self._limits.hold(size)
        self.size += size
        if self.size > self._limits.max_body_bytes:
            raise TooLarge(f"The body has more than {self.limit} bytes, the most that this server accepts.")
        if not self._content:
            self._content = part
            return
        if isinstance(self._content, bytes):
            # No list of parts: of a body that comes byte by byte it would be forty times its size.
            self._content = bytearray(self._content)
        self._content += part

    def content(self) -> bytes:
        """What has come of it."""
        return bytes(self._content)

    def unpacked_to(self, size: int) -> None:
        """Counts what it was unpacked to as well, in any thread; Overloaded when all hold too much."""
        self._limits.hold_unpacked(size)
        self._unpacked += size

    def release(self) -> None:
        """Forgets it, and counts it no longer; once or more often."""
        self._limits.held -= self.size
        self._content, self.size = b"", 0
        if self._unpacked:
            self._limits.hold_unpacked(-self._unpacked)
            self._unpacked = 0
