"""The way of every prediction, whichever protocol it came by: where it is scored, and which version answers or fails.

A protocol gives a `Decode`, which makes of a request what the data plane takes, and knows how to answer it.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from model_server.dataplane import DataPlane
from model_server.errors import Overloaded, ServeError
from model_server.overload.threads import ThreadPools
from model_server.repository import Served
from model_server.tensors import InferRequest, InferResponse

if TYPE_CHECKING:
    from model_server.tracing.tracer import Trace


class Asked(Protocol):
    """A request of any protocol; `trace` is there when it is sampled."""

    @property
    def trace(self) -> "Trace | None":
        """Its spans."""

    @property
    def request_id(self) -> str:
        """The caller's id of the request, or the one that was made for it."""

    @property
    def traceparent(self) -> str:
        """The trace that it belongs to, for others who are called; empty if to none."""

    @property
    def is_large(self) -> bool:
        """Whether to read it takes longer than a hop to a thread."""

    def answered_by(self, version: str) -> None:
        """Told which version answers it, or fails, for metrics and logs."""


C = TypeVar("C", bound=Asked)
R = TypeVar("R")
# What a request asks for, and what makes its answer of the scores.
Decoded = tuple[InferRequest, Callable[[InferResponse], R]]
Decode = Callable[[C, Served], Decoded[R]]


class Predictions:
    """Scores requests by the version that they ask for: small ones at once, others in threads."""

    def __init__(self, dataplane: DataPlane, pools: ThreadPools) -> None:
        self._dataplane = dataplane
        self._pools = pools

    def answer(self, call: C, version: str | None, decode: Decode[C, R]) -> R | Awaitable[R]:
        """By `version`, the default if None. A version that is not loaded is loaded first, in a thread.

        What is raised by decoding or scoring is the version's, but for Overloaded, which is no fault of it.
        """
        served = self._dataplane.repository.loaded(version)
        if served is None:
            return self._pools.load_version(partial(self._load, call, version, decode))
        if call.is_large:
            return self._pools.run(partial(self._decode_and_score, call, served, decode))
        decoded = self._decoded(call, served, decode)
        if "reason_codes" in decoded[0].outputs:  # which take long
            return self._pools.run(partial(self._score_later, call, served, decoded))
        return self._score(call, served, decoded)

    def _load(self, call: C, version: str | None, decode: Decode[C, R]) -> R:
        return self._decode_and_score(call, self._dataplane.repository.get(version), decode)

    def _decode_and_score(self, call: C, served: Served, decode: Decode[C, R]) -> R:
        return self._score(call, served, self._decoded(call, served, decode))

    def _score_later(self, call: Asked, served: Served, decoded: Decoded[R]) -> R:
        if call.trace:
            call.trace.ended("queue")
        return self._score(call, served, decoded)

    def _score(self, call: Asked, served: Served, decoded: Decoded[R]) -> R:
        request, respond = decoded
        trace = call.trace
        call.answered_by(served.model.version)
        response = self._dataplane.infer(served, request, call)
        if trace:
            trace.ended("score")
            trace.scored(self._dataplane.repository.name, response.model_version, response.outputs[0].shape[0])
        answer = respond(response)
        if trace:
            trace.ended("encode")
        return answer

    def _decoded(self, call: C, served: Served, decode: Decode[C, R]) -> Decoded[R]:
        if call.trace:
            call.trace.ended("queue")
        try:
            decoded = decode(call, served)
        except Overloaded:  # no room to unpack it
            raise
        except Exception as error:
            call.answered_by(served.model.version)
            if isinstance(error, ServeError):
                self._dataplane.refused(served, error, call)
            raise
        if call.trace:
            call.trace.ended("decode")
        return decoded
