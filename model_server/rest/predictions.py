"""Predictions for protocols that know applications, and no tensors."""

from functools import partial

from model_server.admission import Pool
from model_server.codecs import plain
from model_server.codecs.records import Expected
from model_server.dataplane import DataPlane
from model_server.repository import Served
from model_server.rest.http import JSON, Answer, Request, Response, smaller
from model_server.rest.v2 import INLINE_BYTES, version_header
from model_server.settings import ServerSettings


class Predictions:
    """Decodes a request for the version that it asks for, scores it, encodes the answer; in a thread if it is long."""

    def __init__(self, dataplane: DataPlane, pool: Pool, settings: ServerSettings) -> None:
        self._dataplane = dataplane
        self._pool = pool
        self._max_bytes = settings.max_body_bytes

    def answer(self, request: Request, version: str | None, decode: plain.Decode, encode: plain.Encode) -> Answer:
        """By `version`, the default if None; the query's `explain` asks for reasons."""
        explain = request.flag("explain")
        answer = partial(self._answer, request, explain, decode, encode)
        served = self._dataplane.repository.loaded(version)
        if served is None:
            return self._pool.load(lambda: answer(self._dataplane.repository.get(version)))
        if explain or len(request.body) > INLINE_BYTES or request.is_packed:
            return self._pool.run(partial(answer, served))
        return answer(served)

    def _answer(
        self, request: Request, explain: bool, decode: plain.Decode, encode: plain.Encode, served: Served
    ) -> Response:
        signature = served.signature
        expected = Expected(signature.columns, signature.words, signature.ignores_extra)
        response = self._dataplane.infer(served, decode(request.content(self._max_bytes), expected, explain))
        request.version = response.model_version
        return smaller(request, Response(200, encode(response), JSON, version_header(response.model_version)))
