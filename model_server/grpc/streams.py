"""Calls that stay open until one side ends them: how many there are, and their end when the server stops."""

import threading

import grpc


class Streams:
    """At most `most` of them at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: set[grpc.ServicerContext] = set()
        self._lock = threading.Lock()

    def add(self, context: grpc.ServicerContext) -> None:
        """Counts a call for as long as it lasts; ends it if there are too many."""
        with self._lock:
            full = len(self._open) == self._most
            if not full:
                self._open.add(context)
        if full:
            context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{self._most} such calls are already open, the most that this server allows.",
            )
        context.add_callback(lambda: self._open.discard(context))

    def end(self) -> None:
        """Cancels all of them; their callers ask another server."""
        for context in list(self._open):
            context.cancel()
