"""A channel between two processes on which each calls the other's methods by name.

A message is MessagePack behind its length in four bytes, over a socket pair: no pickle, which multiprocessing's own
connections would read. Who reads has a thread of its own, so that a busy event loop does not make the other wait.
"""

import inspect
import itertools
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import GenericAlias
from typing import Any, get_type_hints

import msgspec
import structlog

from model_server.errors import NotReady, ServeError

log = structlog.get_logger(__name__)

Methods = Mapping[str, Callable[..., Any]]
AT_ONCE = 8  # calls that one end answers
FAILED = "A worker process of this server failed on this request; the server's log has the cause."


class Gone(NotReady):
    """The process at the other end has ended."""

    def __init__(self) -> None:
        super().__init__("A worker process of this server ended in the meantime; retry.")


class Message(msgspec.Struct, array_like=True):
    """A call of `method`, or the answer to the call of this number: its value, or the name of an error.

    `about` is what log and audit lines say of the request that a call is made for.
    """

    number: int
    method: str
    error: str
    content: msgspec.Raw
    about: dict[str, str] = {}


class Channel:
    """One end. `methods` is what the other end may call; their annotations say how arguments are read."""

    def __init__(self, end: socket.socket, methods: Methods, on_end: Callable[[], None]) -> None:
        self._socket = end
        self._file = end.makefile("rb")
        self._methods = {name: (method, _arguments(method)) for name, method in methods.items()}
        self._on_end = on_end
        self._numbers = itertools.count()
        self._calls: dict[int, tuple[Future[Any], Any]] = {}
        self._lock = threading.Lock()
        self._ended = False
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="channel")
        threading.Thread(target=self._read, name="channel-read", daemon=True).start()

    @property
    def ended(self) -> bool:
        """Whether the process at the other end has ended, or the channel broke."""
        return self._ended

    def call(self, method: str, *arguments: Any, returns: Any) -> Future[Any]:
        """What `method` of the other end gives, as `returns`; a ServeError that it raised, Gone when it ended."""
        future: Future[Any] = Future()
        number = next(self._numbers)
        with self._lock:
            if self._ended:
                future.set_exception(Gone())
                return future
            self._calls[number] = future, returns
        self._send(Message(number, method, "", _raw(arguments), structlog.contextvars.get_contextvars()))
        return future

    def _send(self, message: Message) -> None:
        content = msgspec.msgpack.encode(message)
        try:
            with self._lock:
                self._socket.sendall(len(content).to_bytes(4, "big") + content)
        except OSError:
            self._end()

    def _read(self) -> None:
        try:
            while length := self._file.read(4):
                content = self._file.read(int.from_bytes(length, "big"))
                self._take(msgspec.msgpack.decode(content, type=Message))
        except (OSError, msgspec.DecodeError) as error:
            log.warning("channel to another process broke", error=str(error))
        finally:
            self._end()

    def _take(self, message: Message) -> None:
        if message.method:
            self._threads.submit(self._answer, message)
            return
        future, returns = self._calls.pop(message.number)
        if message.error:
            future.set_exception(_error(message.error, msgspec.msgpack.decode(message.content, type=str)))
        else:
            future.set_result(msgspec.msgpack.decode(message.content, type=returns))

    def _answer(self, message: Message) -> None:
        method, types = self._methods[message.method]
        error = ""
        try:
            with structlog.contextvars.bound_contextvars(**message.about):
                value = method(*msgspec.msgpack.decode(message.content, type=types))
        except ServeError as failure:
            error, value = type(failure).__name__, str(failure)
        except Exception:
            log.exception("call of another process failed", method=message.method)
            error, value = ServeError.__name__, FAILED
        self._send(Message(message.number, "", error, _raw(value)))

    def _end(self) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = True
            calls = list(self._calls.values())
            self._calls.clear()
        self._socket.close()
        for future, _ in calls:
            future.set_exception(Gone())
        self._threads.shutdown(wait=False)
        self._on_end()


def _arguments(method: Callable[..., Any]) -> Any:
    hints = get_type_hints(method)
    return GenericAlias(tuple, tuple(hints[name] for name in inspect.signature(method).parameters))


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(value))


def _error(name: str, said: str) -> Exception:
    known = {each.__name__: each for each in ServeError.__subclasses__()}
    return known[name](said) if name in known else RuntimeError(said)
