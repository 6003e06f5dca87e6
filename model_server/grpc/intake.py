"""Who gets a turn among gRPC calls: a call that sends nothing keeps no other from being answered.

grpc gives each call a thread before its message is there, so that as many silent callers as there are threads would
stop a server. Here there are many threads, a few of which answer at once; a call whose message does not come is
cancelled in time, and earlier when there are many of them.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import grpc

from model_server.admission import Queue
from model_server.errors import Overloaded
from model_server.settings import ServerSettings

THREADS = 256
SILENT = THREADS // 2  # calls whose message has not come; of more, the oldest is cancelled


class Intake(ThreadPoolExecutor):
    """The server's threads, and which of their calls is answered now."""

    def __init__(self, settings: ServerSettings) -> None:
        super().__init__(THREADS, thread_name_prefix="grpc")
        # A queue of turns: it is in C, where threading.Semaphore is in Python and takes 2 us more.
        self._turns: SimpleQueue[None] = SimpleQueue()
        for _ in range(settings.grpc_threads):
            self._turns.put(None)
        self._queue = Queue(settings.queue_seconds)
        self._silent: dict[grpc.ServicerContext, float] = {}  # since when, the oldest first
        self._seconds = settings.head_seconds
        self._of_thread = threading.local()
        threading.Thread(target=self._watch, name="grpc-silent", daemon=True).start()

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(self._run, time.perf_counter(), call, args, kwargs)

    def _run(self, arrived: float, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        self._of_thread.waited = time.perf_counter() - arrived
        return call(*args, **kwargs)

    def message(self, messages: Iterator[Any], context: grpc.ServicerContext) -> Any:
        """The message of a call once it is there; ends the call when the caller leaves without one."""
        self._silent[context] = time.perf_counter()
        if len(self._silent) > SILENT:
            self._cancel_oldest()
        try:
            return next(messages)
        except StopIteration:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The call ended without a message.")
        finally:
            self._silent.pop(context, None)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for a turn to answer; Overloaded when that took too long."""
        came = time.perf_counter()
        self._turns.get()
        try:
            if not self._queue.admits(came - self._of_thread.waited, time.perf_counter()):
                raise Overloaded
            yield
        finally:
            self._turns.put(None)

    def _cancel_oldest(self) -> None:
        for context in list(self._silent)[:1]:
            context.cancel()

    def _watch(self) -> None:
        while True:
            time.sleep(self._seconds / 4)
            late = time.perf_counter() - self._seconds
            for context, since in list(self._silent.items()):
                if since < late:
                    context.cancel()
