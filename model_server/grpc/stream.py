"""One stream of an HTTP/2 connection, which is one call: what has come of it, and what is still to be sent."""

import asyncio
from collections import deque
from collections.abc import Callable

from model_server.errors import Overloaded, TooLarge
from model_server.grpc.call import Call
from model_server.grpc.messages import PREFIX, announced, plain

MESSAGES = 100  # of one call that wait to be read


class Stream:
    """`window` is what its peer still takes, bytes; `began` is the loop's time.

    It is `complete` when all of the request has come, `refused` when the reply does not wait for that, `busy` while the
    reply is awaited, and `gone` once its peer has ended it or all is sent.
    """

    __slots__ = (
        "began", "busy", "call", "complete", "gone", "id", "messages", "refused", "rest", "sent", "task", "trailers",
        "window",
    )  # fmt: skip

    def __init__(self, number: int, call: Call, window: int, began: float) -> None:
        self.id = number
        self.call = call
        self.window = window
        self.began = began
        self.complete = self.refused = self.busy = self.gone = False
        self.rest = memoryview(b"")  # of the answer, for which the peer's window has no room
        self.trailers: bytes | None = None  # sent behind it
        self.sent: asyncio.Future[None] | None = None  # done when it is, for who waits for that
        self.messages: Messages | None = None  # of a call that stays open
        self.task: asyncio.Task[None] | None = None  # which answers them

    @property
    def waits_for_peer(self) -> bool:
        """Whether it is the peer's turn: to send the one message of the call."""
        return self.messages is None and not (self.complete or self.refused)

    def take(self, data: bytes) -> None:
        """Adds to the request; TooLarge or Overloaded where that is too much."""
        if self.messages is not None:
            self.messages.take(data)
            return
        body, most = self.call.body, self.call.most_bytes
        size = announced(data) if body.size == 0 else 0
        if max(size, body.size + len(data) - PREFIX.size) > most:
            raise TooLarge(f"The message has more than {most} bytes, the most that this method accepts.")
        body.take(data)

    def drop(self) -> None:
        """Ends it on this side, whatever has been sent."""
        self.gone = True
        self.call.body.release()
        self.rest = memoryview(b"")
        if self.sent is not None and not self.sent.done():
            self.sent.set_result(None)
        if self.task is not None:
            self.task.cancel()


class Messages:
    """The messages of a call that stays open, in the order in which they come; `answered` once one is sent back."""

    def __init__(self, call: Call, credit: Callable[[int], None]) -> None:
        self._call = call
        self._credit = credit  # lets the peer send as many bytes more
        self._data = bytearray()
        self._waiting: deque[bytes] = deque()
        self._came = asyncio.Event()
        self._ended = self.answered = False

    def take(self, data: bytes) -> None:
        """Adds what came; TooLarge or Overloaded where that is too much."""
        self._call.body.take(data)
        self._data += data
        while len(self._data) >= PREFIX.size:
            flag, size = PREFIX.unpack_from(self._data)
            end = PREFIX.size + size
            if size > self._call.most_bytes:
                raise TooLarge(f"A message has more than {self._call.most_bytes} bytes.")
            if len(self._data) < end:
                return
            coding = self._call.fields.get(b"grpc-encoding", b"")
            self._waiting.append(plain(flag, bytes(self._data[PREFIX.size : end]), coding, self._call.most_bytes))
            del self._data[:end]
            if len(self._waiting) > MESSAGES:
                raise Overloaded(f"More than {MESSAGES} messages of the call wait; read answers before you send more.")
            self._came.set()

    def end(self) -> None:
        """There are no more."""
        self._ended = True
        self._came.set()

    def __aiter__(self) -> "Messages":
        return self

    async def __anext__(self) -> bytes:
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._came.clear()
            await self._came.wait()
        if len(self._waiting) == 1 and not self._data:
            self._credit(self._call.body.size)
            self._call.body.release()
        return self._waiting.popleft()
