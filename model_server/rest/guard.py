"""What all connections share: limits, the bytes that they hold, and who goes when there are too many."""

from collections.abc import Collection, Iterable
from typing import Protocol

from model_server.errors import Overloaded
from model_server.settings import ServerSettings


class Connection(Protocol):
    """`waits_since` is when it began to wait for its client, None while the client waits; times are the loop's."""

    @property
    def waits_since(self) -> float | None: ...

    def close(self) -> None: ...


class Guard:
    def __init__(self, settings: ServerSettings) -> None:
        self.max_body_bytes = settings.max_body_bytes
        self.idle_seconds = settings.idle_seconds
        self.head_seconds = settings.head_seconds
        self.body_seconds = settings.body_seconds
        self._max_held_bytes = settings.max_held_bytes
        self._max_connections = settings.max_connections
        self._held = 0

    def hold(self, size: int) -> None:
        """Counts bytes of a body; Overloaded, and then they are not counted, when all hold too many."""
        if self._held + size > self._max_held_bytes:
            raise Overloaded("Others have sent so much that there is no room for this request; ask again in a second.")
        self._held += size

    def release(self, size: int) -> None:
        self._held -= size

    def make_room(self, connections: Collection[Connection]) -> None:
        """For one more connection where there are enough, closes the tenth of them that has waited longest.

        Overloaded when every one is being answered.
        """
        if len(connections) < self._max_connections:
            return
        waiting = _longest_first(connections)
        if not waiting:
            raise Overloaded(f"All {self._max_connections} connections are in use; ask again in a second.")
        for connection in waiting[: max(1, self._max_connections // 10)]:
            connection.close()


def _longest_first(connections: Iterable[Connection]) -> list[Connection]:
    waiting = [(since, number, c) for number, c in enumerate(connections) if (since := c.waits_since) is not None]
    return [connection for _, _, connection in sorted(waiting)]
