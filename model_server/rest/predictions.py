"""Predictions for protocols that know applications, and no tensors."""

from collections.abc import Callable
from functools import partial

from model_server.admission import Pool
from model_server.codecs import plain
from model_server.codecs.records import Expected
from model_server.dataplane import DataPlane
from model_server.repository import Served
from model_server.rest.http import JSON, Answer, Request, Response, smaller
from model_server.rest.v2 import INLINE_BYTES, version_header
from model_server.tensors import InferResponse


class Predictions:
    """Decodes a request for the version that it asks for and scores it."""

    def __init__(self, dataplane: DataPlane, pool: Pool) -> None:
        self._dataplane = dataplane
        self._pool = pool

    def answer(self, request: Request, version: str | None, decode: plain.Decode, encode: plain.Encode) -> Answer:
        """By `version`, the default if None; the query's `explain` asks for reasons."""
        explain = request.flag("explain")

        def work(served: Served) -> Response:
            response = self.infer(request, served, decode, explain)
            return smaller(request, Response(200, encode(response), JSON, version_header(response.model_version)))

        return self.scheduled(request, version, work, long=explain)

    def scheduled(
        self, request: Request, version: str | None, work: Callable[[Served], Response], long: bool
    ) -> Answer:
        """What `work` makes of the version: at once, or in a thread where it takes long or has to be loaded."""
        repository = self._dataplane.repository
        served = repository.loaded(version)
        if served is None:
            return self._pool.load(lambda: work(repository.get(version)))
        if long or len(request.body) > INLINE_BYTES or request.is_packed:
            return self._pool.run(partial(work, served))
        return work(served)

    def infer(self, request: Request, served: Served, decode: plain.Decode, explain: bool) -> InferResponse:
        signature = served.signature
        expected = Expected(signature.columns, signature.words, signature.ignores_extra)
        response = self._dataplane.infer(served, decode(request.content(), expected, explain))
        request.version = response.model_version
        return response
