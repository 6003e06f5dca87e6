"""The way of every prediction over HTTP, whichever protocol it came by: where it is scored, and what its failure is.

A protocol gives a `Decode`, which makes of a request what the data plane takes, and knows how to answer it.
"""

from collections.abc import Callable
from functools import lru_cache, partial

from model_server.dataplane import DataPlane
from model_server.errors import Overloaded
from model_server.overload.constants import INLINE_BYTES
from model_server.overload.threads import ThreadPools
from model_server.repository import Served
from model_server.rest.failures import failure
from model_server.rest.http import Answer, Headers, Response
from model_server.rest.routing import Call
from model_server.tensors import InferRequest, InferResponse

# What a request asks for, and what makes its answer of the scores.
Decoded = tuple[InferRequest, Callable[[InferResponse], Response]]
Decode = Callable[[Call, Served], Decoded]


class Predictions:
    """Scores requests by the version that they ask for: small ones at once, others in threads."""

    def __init__(self, dataplane: DataPlane, pools: ThreadPools) -> None:
        self._dataplane = dataplane
        self._pools = pools

    def answer(self, call: Call, version: str | None, decode: Decode) -> Answer:
        """By `version`, the default if None. A version that is not loaded is loaded first, in a thread."""
        served = self._dataplane.repository.loaded(version)
        if served is None:
            return self._pools.load_version(partial(self._load, call, version, decode))
        if call.request.body.size > INLINE_BYTES or call.request.is_packed:
            return self._pools.run(partial(self._decode_and_score, call, served, decode))
        try:
            decoded = _decoded(call, served, decode)
        except Exception as error:
            return failure(call.request, error, call.trace, served.model.version)
        if "reason_codes" in decoded[0].outputs:  # which take long
            return self._pools.run(partial(self._score_later, call, served, decoded))
        return self._score(call, served, decoded)

    def _load(self, call: Call, version: str | None, decode: Decode) -> Response:
        return self._decode_and_score(call, self._dataplane.repository.get(version), decode)

    def _decode_and_score(self, call: Call, served: Served, decode: Decode) -> Response:
        try:
            decoded = _decoded(call, served, decode)
        except Overloaded:  # no room to unpack it: no fault of the version
            raise
        except Exception as error:
            return failure(call.request, error, call.trace, served.model.version)
        return self._score(call, served, decoded)

    def _score_later(self, call: Call, served: Served, decoded: Decoded) -> Response:
        if call.trace:
            call.trace.ended("queue")
        return self._score(call, served, decoded)

    def _score(self, call: Call, served: Served, decoded: Decoded) -> Response:
        request, respond = decoded
        trace = call.trace
        try:
            response = self._dataplane.infer(served, request, call.traceparent)
            if trace:
                trace.ended("score")
                trace.scored(self._dataplane.repository.name, response.model_version, response.outputs[0].shape[0])
            answer = respond(response)
            if trace:
                trace.ended("encode")
            return answer
        except Exception as error:
            return failure(call.request, error, trace, served.model.version)


def _decoded(call: Call, served: Served, decode: Decode) -> Decoded:
    if call.trace:
        call.trace.ended("queue")
    decoded = decode(call, served)
    if call.trace:
        call.trace.ended("decode")
    return decoded


@lru_cache
def version_header(version: str) -> Headers:
    """The header that names the version of an answer."""
    return ((b"x-loan-version", version.encode()),)
