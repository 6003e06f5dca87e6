"""The calls of one connection: which are open, which are answered when, and what is sent of each."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable

from model_server.errors import ServeError
from model_server.grpc import frames, headers
from model_server.grpc.app import GrpcApp, Staying
from model_server.grpc.call import Call
from model_server.grpc.frames import BrokenStream, Code
from model_server.grpc.messages import ANSWER_HEAD, Reply, ended, framed, timeout
from model_server.grpc.sender import Sender
from model_server.grpc.stream import Messages, Stream
from model_server.overload.connections import ConnectionLimits
from model_server.overload.constants import AT_ONCE, OPEN_CALLS

_LATE = ended("DEADLINE_EXCEEDED", "The time that the call itself set, its grpc-timeout, was over before the answer.")
_STOPPING = ended("UNAVAILABLE", "The server stops; call another.")


class Calls:
    """Answers each call as soon as it can, in any order."""

    def __init__(self, app: GrpcApp, limits: ConnectionLimits, sender: Sender) -> None:
        self._app = app
        self._limits = limits
        self._sender = sender
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, Stream] = {}
        self._orphans = 0  # calls that are answered although their peer has ended them
        self._waiting: deque[Stream] = deque()  # complete, and not answered
        self._tasks: set[asyncio.Task[None]] = set()  # which answer calls
        self._turn = False  # others have theirs before those are answered
        self.blocked = False  # the peer does not read what it was sent
        self.begun = 0  # the last stream that the peer has begun
        self.taken = 0  # the last of which a call was made, as this side's goodbye says
        self.refusing = False  # new ones: another server is to be asked

    def __len__(self) -> int:
        return len(self._open)

    def get(self, number: int) -> Stream | None:
        """The call that is open on this stream."""
        return self._open.get(number)

    def streams(self) -> list[Stream]:
        """Those of all that are open."""
        return list(self._open.values())

    def begin(self, number: int, fields: list[tuple[bytes, bytes]], complete: bool, now: float) -> None:
        """Begins a call by its head; BrokenStream where there is no room for it, or it is no request."""
        self.begun = number
        if self.refusing or len(self._open) + self._orphans >= OPEN_CALLS:
            raise BrokenStream(Code.REFUSED_STREAM)
        self.taken = number
        head = headers.request_head(fields)
        call = Call(head, self._limits, self._app.most_bytes(head.path))
        stream = self._open[number] = Stream(number, call, self._sender.stream_window, now)
        method = self._app.staying(call)
        if method is not None and not headers.refusal(call.fields):
            stream.messages = Messages(call, lambda size: self._sender.credit(stream, size))
            stream.task = self._loop.create_task(self._stay(stream, stream.messages, method))
        if complete:
            self.complete(stream)

    def take(self, stream: Stream, data: bytes) -> None:
        """Adds to a request; one that is too large is refused."""
        if stream.refused:
            return
        try:
            stream.take(data)
        except ServeError as error:
            stream.refused = True
            self._reply(stream, self._app.refuse(stream.call, error))

    def complete(self, stream: Stream) -> None:
        """All of the request has come; BrokenStream where that is not what its head says."""
        stream.complete = True
        if stream.messages is not None:
            stream.messages.end()
        elif not stream.refused:
            headers.check_length(stream.call.fields, stream.call.body.size)
            stream.call.came = time.perf_counter()
            self._waiting.append(stream)
            self._app.queue.held += 1

    def drop(self, number: int) -> None:
        """Ends a call whose peer has ended it, or has to."""
        stream = self._open.pop(number, None)
        if stream is not None:
            self._orphans += stream.busy
            self._sender.forget(stream)
            stream.drop()

    def drop_all(self) -> None:
        """Ends all, of a connection that is lost."""
        self._app.queue.held -= len(self._waiting)
        self._waiting.clear()
        for number in list(self._open):
            self.drop(number)

    def cancel(self, stream: Stream) -> None:
        """Ends a call whose peer does not go on with it."""
        self._sender.write(frames.reset(stream.id, Code.CANCEL))
        self.drop(stream.id)

    def end_staying(self) -> None:
        """Ends the calls that stay open; their callers ask another server."""
        for stream in self.streams():
            if stream.messages is not None:
                self._reply(stream, _STOPPING)

    def sent(self, stream: Stream) -> None:
        """A call is answered to its end; a peer that still sends need not."""
        if not stream.complete:
            self._sender.write(frames.reset(stream.id, Code.NO_ERROR))
        self.drop(stream.id)

    def answer_waiting(self) -> None:
        """Answers some of those that are complete, and the others after those of other connections."""
        if self._turn:
            return
        for _ in range(AT_ONCE):
            if not self._waiting or self.blocked:
                return
            stream = self._waiting.popleft()
            self._app.queue.held -= 1
            if not stream.gone:
                self._answer(stream)
        if self._waiting:
            self._turn = True
            self._loop.call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._turn = False
        self.answer_waiting()

    def _answer(self, stream: Stream) -> None:
        refusal = headers.refusal(stream.call.fields)
        if refusal:
            self._sender.end(stream, refusal)
            return
        answer = self._app.answer(stream.call)
        if isinstance(answer, Reply):
            self._reply(stream, answer)
            return
        stream.busy = True
        seconds = timeout(stream.call.fields.get(b"grpc-timeout"))
        late = None if seconds is None else self._loop.call_later(seconds, self._reply, stream, _LATE)
        task = self._loop.create_task(self._answer_later(stream, answer, late))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer_later(self, stream: Stream, answer: Awaitable[Reply], late: asyncio.TimerHandle | None) -> None:
        reply = await answer
        if late is not None:
            late.cancel()
        stream.busy = False
        self._orphans -= stream.gone
        self._reply(stream, reply)

    def _reply(self, stream: Stream, reply: Reply) -> None:
        if reply.delay:
            stream.call.body.release()
            self._loop.call_later(reply.delay, self._reply, stream, reply._replace(delay=0.0))
        elif stream.gone:
            return
        elif reply.message is not None:
            stream.call.body.release()
            self._sender.send(stream, ANSWER_HEAD, framed(reply.message), reply.trailers)
        elif stream.messages is not None and stream.messages.answered:
            self._sender.end(stream, reply.trailers)
        else:
            self._sender.end(stream, ANSWER_HEAD + reply.trailers)

    async def _stay(self, stream: Stream, messages: Messages, method: Staying) -> None:
        async def send(message: bytes) -> None:
            head, messages.answered = b"" if messages.answered else ANSWER_HEAD, True
            self._sender.send(stream, head, framed(message), None)
            if stream.rest:
                stream.sent = self._loop.create_future()
                await stream.sent

        reply = await method(stream.call, messages, send)
        stream.task = None
        self._reply(stream, reply)
