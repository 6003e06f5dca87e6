"""Who gets a turn among gRPC calls: a call that sends nothing keeps no other from being answered.

grpc gives each call a thread before its message is there, so that as many silent callers as there are threads would
stop a server. Here there are many threads, a few of which answer at once; a call whose message does not come is
cancelled in time, and earlier when there are many of them. While more calls stand than can be answered, the others get
no thread, and are refused in their time.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import grpc

from model_server.errors import InvalidInput, Overloaded
from model_server.overload.constants import (
    FEW,
    IDLE_SECONDS,
    LOOK_SECONDS,
    LOOKS,
    SILENT,
    SILENT_SECONDS,
    SLOWER,
    THREADS,
)
from model_server.overload.policy import Pace, Queue
from model_server.settings import ServerSettings


class CallExecutor(ThreadPoolExecutor):
    """The threads of grpc's server, and which of their calls is answered now."""

    def __init__(self, settings: ServerSettings) -> None:
        super().__init__(THREADS, thread_name_prefix="grpc")
        # A queue of turns: it is in C, where threading.Semaphore is in Python and takes 2 us more.
        self._turns: SimpleQueue[None] = SimpleQueue()
        for _ in range(settings.grpc_threads):
            self._turns.put(None)
        self._queue = Queue(settings.queue_seconds)
        self._queue.short(time.perf_counter())
        self._inside: set[object] = set()  # calls that have a thread or wait for one
        self._refusing = ThreadPoolExecutor(1, thread_name_prefix="grpc-refused")
        self._pace = Pace()
        self._silent: dict[grpc.ServicerContext, float] = {}  # since when, the oldest first
        self._came: deque[float] = deque([0.0], maxlen=16)  # how long the last messages took
        self._seconds = settings.head_seconds
        self._of_thread = threading.local()
        threading.Thread(target=self._watch, name="grpc-watch", daemon=True).start()

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Called by grpc for each call: gives it a thread, or while the queue stands a refusal in its time."""
        now = time.perf_counter()
        if self._queue.stands(now) and self._busy(now) >= FEW:
            self._queue.refused(now)
            return self._refusing.submit(self._refuse, now + self._pace.delay(now), call, args, kwargs)
        inside = object()
        self._inside.add(inside)
        return super().submit(self._run, inside, now, call, args, kwargs)

    def _run(self, inside: object, arrived: float, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        self._of_thread.waited = time.perf_counter() - arrived
        try:
            return call(*args, **kwargs)
        finally:
            self._inside.discard(inside)

    def _refuse(self, due: float, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        time.sleep(max(0.0, due - time.perf_counter()))
        self._of_thread.waited = None
        return call(*args, **kwargs)

    def message(self, messages: Iterator[Any], context: grpc.ServicerContext) -> Any:
        """The message of a call once it is there; InvalidInput when the caller leaves without one.

        Overloaded, without waiting for it, when the call is one too many.
        """
        if self._of_thread.waited is None:
            raise Overloaded
        began = self._silent[context] = time.perf_counter()
        if len(self._silent) > SILENT:
            self._cancel_oldest(began)
        try:
            message = next(messages)
        except StopIteration:
            raise InvalidInput("The call ended without a message.") from None
        else:
            self._came.append(time.perf_counter() - began)
            return message
        finally:
            self._silent.pop(context, None)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for a turn to answer; Overloaded when that took too long."""
        came = time.perf_counter() - self._of_thread.waited
        self._turns.get()
        try:
            if time.perf_counter() - came > self._queue.patience:
                raise Overloaded
            yield
        finally:
            self._turns.put(None)

    def _busy(self, now: float) -> int:
        """Calls inside but those that are silent for long."""
        late = self._late(IDLE_SECONDS, now)
        silent = 0
        for since in list(self._silent.values()):
            if since > late:
                break
            silent += 1
        return len(self._inside) - silent

    def _cancel_oldest(self, now: float) -> None:
        late = self._late(SILENT_SECONDS, now)
        for context, since in list(self._silent.items())[:1]:
            if since < late:
                context.cancel()

    def _late(self, seconds: float, now: float) -> float:
        """Who began before it is silent, and does not wait for this server as all do when it has much to do."""
        return now - max(seconds, SLOWER * min(list(self._came)))

    def _watch(self) -> None:
        length = 0.0
        while True:
            time.sleep(LOOK_SECONDS)
            now = time.perf_counter()
            length += (self._busy(now) - length) / LOOKS
            if length <= 2 * FEW:
                self._queue.short(now)
            for context, since in list(self._silent.items()):
                if since > now - self._seconds:
                    break
                context.cancel()
