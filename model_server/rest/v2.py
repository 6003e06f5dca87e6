"""V2 (Open Inference Protocol) over REST."""

from functools import partial
from typing import Any

import msgspec

from model_server.admission import Pool
from model_server.codecs import json, v2_rest
from model_server.controlplane import Control, named_version, version_to_load
from model_server.dataplane import DataPlane
from model_server.errors import NotReady
from model_server.repository import Served
from model_server.rest.http import JSON, Answer, Request, Response, json_response, smaller

# Below this size a request is answered on the event loop: a hop to a thread costs more than scoring a few rows. Reasons
# take a millisecond a row and always go to a thread.
INLINE_BYTES = 64 * 1024


class _RepositoryRequest(msgspec.Struct):
    parameters: dict[str, Any] | None = None
    ready: bool = False


_repository_decoder = msgspec.json.Decoder(_RepositoryRequest)


class V2Endpoints:
    def __init__(self, dataplane: DataPlane, control: Control, pool: Pool) -> None:
        self._dataplane = dataplane
        self._control = control
        self._pool = pool
        self._repository = dataplane.repository

    def infer(self, request: Request, name: str, version: str | None) -> Answer:
        self._dataplane.check_name(name)
        served = self._repository.loaded(version)
        if served is None:
            return self._pool.load(lambda: self._infer(request, name, self._repository.get(version)))
        if len(request.body) > INLINE_BYTES or request.is_packed:
            return self._pool.run(partial(self._infer, request, name, served))
        call = self._decode(request, served)
        if "reason_codes" in call.request.outputs:
            return self._pool.run(partial(self._score, request, name, served, call))
        return self._score(request, name, served, call)

    def _infer(self, request: Request, name: str, served: Served) -> Response:
        return self._score(request, name, served, self._decode(request, served))

    def _decode(self, request: Request, served: Served) -> v2_rest.Call:
        words = served.signature.words
        return v2_rest.decode(request.content(), request.header(v2_rest.JSON_LENGTH), words)

    def _score(self, request: Request, name: str, served: Served, call: v2_rest.Call) -> Response:
        response = self._dataplane.infer(served, call.request)
        request.version = response.model_version
        content, head_length = v2_rest.encode(name, response, call.binary)
        headers = version_header(response.model_version)
        if head_length is None:
            return smaller(request, Response(200, content, JSON, headers))
        length = (b"inference-header-content-length", b"%d" % head_length)
        return smaller(request, Response(200, content, b"application/octet-stream", (*headers, length)))

    def live(self, _: Request) -> Response:
        return json_response({"live": True})

    def ready(self, _: Request) -> Response:
        """Ready means that the model can be asked; a registry that is gone is told, and no reason to take it away."""
        ready, trouble = self._repository.ready, self._repository.trouble
        answer: dict[str, Any] = {"ready": ready} | ({"registry": trouble} if trouble else {})
        return json_response(answer, 200 if ready else 503)

    def server_metadata(self, _: Request) -> Response:
        return json_response(self._dataplane.server_metadata())

    def models(self, _: Request) -> Response:
        return json_response({"models": [self._repository.name]})

    async def model_metadata(self, name: str, version: str | None) -> Response:
        return json_response(await self._pool.load(partial(self._dataplane.model_metadata, name, version)))

    def model_ready(self, name: str, version: str | None) -> Answer:
        if version is None or self._repository.loaded(version):
            return self._model_ready(name, version)  # a probe has no time to wait for the registry
        return self._pool.load(partial(self._model_ready, name, version))

    def _model_ready(self, name: str, version: str | None) -> Response:
        try:
            ready = self._dataplane.model_ready(name, version)
        except NotReady:
            ready = False
        return json_response({"name": name, "ready": ready}, 200 if ready else 503)

    async def index(self, request: Request) -> Response:
        asked = self._asked(request)
        entries = await self._pool.load(self._repository.index)
        return json_response(
            [
                {"name": self._repository.name, **entry._asdict()}
                for entry in entries
                if entry.state == "READY" or not asked.ready
            ]
        )

    async def load(self, request: Request, name: str) -> Response:
        self._dataplane.check_name(name)
        version = version_to_load(self._asked(request).parameters or {})
        loaded = await self._pool.load(partial(self._control.load, request.caller, version))
        return json_response({"name": name, "load": True, "model_version": loaded}, 200, version_header(loaded))

    async def unload(self, request: Request, name: str) -> Response:
        self._dataplane.check_name(name)
        version = named_version(self._asked(request).parameters or {})
        await self._pool.load(partial(self._control.unload, request.caller, version))
        return json_response({"name": name, "unload": True})

    def _asked(self, request: Request) -> _RepositoryRequest:
        body = request.content()
        return json.decode(_repository_decoder, body, "The request") if body else _RepositoryRequest()


def version_header(version: str) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"x-loan-version", version.encode()),)
