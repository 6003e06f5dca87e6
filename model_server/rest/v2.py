"""V2 (Open Inference Protocol) over REST."""

from functools import partial
from typing import Any

import msgspec

from model_server.codecs import json, v2_rest
from model_server.controlplane import Control, named_version, version_to_load
from model_server.dataplane import DataPlane
from model_server.errors import NotReady
from model_server.overload.threads import ThreadPools
from model_server.predictions import Decoded, Predictions
from model_server.repository import Served
from model_server.rest.http import JSON, Answer, Response, json_response, smaller, version_header
from model_server.rest.routing import Call
from model_server.tensors import InferResponse


class RepositoryRequest(msgspec.Struct):
    """The body of the repository's endpoints; `ready` asks for an index of what is loaded only."""

    parameters: dict[str, Any] | None = None
    ready: bool = False


_repository_decoder = msgspec.json.Decoder(RepositoryRequest)


class V2Endpoints:
    """The protocol's endpoints, and those of its repository extension."""

    def __init__(self, dataplane: DataPlane, predictions: Predictions, control: Control, pools: ThreadPools) -> None:
        self._dataplane = dataplane
        self._predictions = predictions
        self._control = control
        self._pools = pools
        self._repository = dataplane.repository

    def infer(self, call: Call) -> Answer:
        """By the version in the path, else the default one."""
        self._dataplane.check_name(call.names["model"])
        return self._predictions.answer(call, call.names.get("version"), _decode)

    def live(self, _: Call) -> Response:
        """Alive if it answers."""
        return json_response({"live": True})

    def ready(self, _: Call) -> Response:
        """Ready if a default version is loaded; an unreachable registry is reported, but does not make it unready."""
        ready, trouble = self._repository.ready, self._repository.trouble
        answer: dict[str, Any] = {"ready": ready} | ({"registry": trouble} if trouble else {})
        return json_response(answer, 200 if ready else 503)

    def server_metadata(self, _: Call) -> Response:
        """Name, version and extensions of the server."""
        return json_response(self._dataplane.server_metadata())

    def models(self, _: Call) -> Response:
        """The names of the models."""
        return json_response({"models": [self._repository.name]})

    async def model_metadata(self, call: Call) -> Response:
        """Inputs and outputs of the version in the path, else of the default one."""
        metadata = partial(self._dataplane.model_metadata, call.names["model"], call.names.get("version"))
        return json_response(await self._pools.load(metadata))

    def model_ready(self, call: Call) -> Answer:
        """Whether a version can be asked; one that is only in the registry is loaded to answer."""
        name, version = call.names["model"], call.names.get("version")
        if version is None or self._repository.loaded(version):
            return self._model_ready(name, version)  # a probe has no time to wait for the registry
        return self._pools.load(partial(self._model_ready, name, version))

    def _model_ready(self, name: str, version: str | None) -> Response:
        try:
            ready = self._dataplane.model_ready(name, version)
        except NotReady:
            ready = False
        return json_response({"name": name, "ready": ready}, 200 if ready else 503)

    async def index(self, call: Call) -> Response:
        """Every version and its state."""
        asked = _asked(call)
        entries = await self._pools.load(self._repository.index)
        return json_response(
            [
                {"name": self._repository.name, **entry._asdict()}
                for entry in entries
                if entry.state == "READY" or not asked.ready
            ]
        )

    async def load(self, call: Call) -> Response:
        """Loads a version and makes it the default, or follows the registry again where none is named."""
        name = call.names["model"]
        self._dataplane.check_name(name)
        version = version_to_load(_asked(call).parameters or {})
        loaded = await self._pools.load(partial(self._control.load, call.caller, version))
        return json_response({"name": name, "load": True, "model_version": loaded}, 200, version_header(loaded))

    async def unload(self, call: Call) -> Response:
        """Unloads the version that is named, or all."""
        name = call.names["model"]
        self._dataplane.check_name(name)
        version = named_version(_asked(call).parameters or {})
        await self._pools.load(partial(self._control.unload, call.caller, version))
        return json_response({"name": name, "unload": True})


def _decode(call: Call, served: Served) -> Decoded[Response]:
    request = call.request
    length = request.headers.get(v2_rest.JSON_LENGTH)
    json_length = None if length is None else length.decode("latin-1")
    asked, binary = v2_rest.decode(request.content(), json_length, served.signature.words)
    return asked, partial(_respond, call, binary)


def _respond(call: Call, binary: frozenset[str], response: InferResponse) -> Response:
    content, head_length = v2_rest.encode(call.names["model"], response, binary)
    headers = version_header(response.model_version)
    if head_length is None:
        return smaller(call.request, Response(200, content, JSON, headers))
    headers = (*headers, (v2_rest.JSON_LENGTH, b"%d" % head_length))
    return smaller(call.request, Response(200, content, b"application/octet-stream", headers))


def _asked(call: Call) -> RepositoryRequest:
    body = call.request.content()
    return json.decode(_repository_decoder, body, "The request") if body else RepositoryRequest()
