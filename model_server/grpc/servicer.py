"""V2 (Open Inference Protocol) over gRPC."""

from collections.abc import Awaitable
from functools import partial
from typing import Any

from google.protobuf.message import Message

from model_server.access import Access, Right
from model_server.codecs import v2_grpc
from model_server.controlplane import Control, named_version, version_to_load
from model_server.dataplane import DataPlane, without_parameters
from model_server.errors import NotReady
from model_server.grpc.app import Answer, Method
from model_server.grpc.call import Call
from model_server.grpc.v2_pb import pb
from model_server.overload.threads import ThreadPools
from model_server.predictions import Decoded, Predictions
from model_server.repository import Served
from model_server.tensors import InferResponse

SERVICE = "inference.GRPCInferenceService"


class InferenceServicer:
    """The methods of the inference service; each takes a call and gives its answer, or one that is to be awaited."""

    def __init__(
        self,
        dataplane: DataPlane,
        predictions: Predictions,
        control: Control,
        access: Access,
        pools: ThreadPools,
    ) -> None:
        self._dataplane = dataplane
        self._predictions = predictions
        self._control = control
        self._access = access
        self._pools = pools
        self._repository = dataplane.repository

    def methods(self) -> dict[bytes, Method]:
        """The methods by their paths; what probes ask is not traced."""
        predict, load = Right.predict, Right.load
        methods = {
            "ServerLive": Method(self.server_live),
            "ServerReady": Method(self.server_ready),
            "ServerMetadata": Method(self.server_metadata),
            "ModelReady": Method(self.model_ready),
            "ModelMetadata": Method(self.model_metadata, predict, traced=True),
            "ModelInfer": Method(self.model_infer, predict, traced=True, scores=True),
            "RepositoryIndex": Method(self.repository_index, predict, traced=True),
            "RepositoryModelLoad": Method(self.repository_load, load, traced=True),
            "RepositoryModelUnload": Method(self.repository_unload, load, traced=True),
        }
        return {f"/{SERVICE}/{name}".encode(): method for name, method in methods.items()}

    def server_live(self, _: Call) -> Answer:
        """Alive if it answers."""
        return pb.ServerLiveResponse(live=True)

    def server_ready(self, _: Call) -> Answer:
        """Ready if a default version is loaded."""
        return pb.ServerReadyResponse(ready=self._repository.ready)

    def server_metadata(self, _: Call) -> Answer:
        """Name, version and extensions of the server."""
        return pb.ServerMetadataResponse(**self._dataplane.server_metadata())

    def model_ready(self, call: Call) -> Answer | Awaitable[Answer]:
        """Whether a version can be asked; one that is only in the registry is loaded, for who may predict."""
        request = call.request(pb.ModelReadyRequest)
        if not request.version:
            return self._model_ready(request)
        return self._version_ready(request, call)

    async def _version_ready(self, request: Any, call: Call) -> Answer:
        await self._access.admit(Right.predict, call.sent("authorization"), "model_ready")
        return await self._pools.load(partial(self._model_ready, request))

    def _model_ready(self, request: Any) -> Answer:
        try:
            ready = self._dataplane.model_ready(request.name, request.version or None)
        except NotReady:
            ready = False
        return pb.ModelReadyResponse(ready=ready)

    async def model_metadata(self, call: Call) -> Answer:
        """Inputs and outputs of a version."""
        request = call.request(pb.ModelMetadataRequest)
        found = partial(self._dataplane.model_metadata, request.name, request.version or None)
        metadata = await self._pools.load(found)
        inputs = without_parameters(metadata["inputs"])
        return pb.ModelMetadataResponse(**metadata | {"inputs": inputs})

    def model_infer(self, call: Call) -> Answer | Awaitable[Answer]:
        """Scores the tensors of a request; to read a large one, for its version, is for a thread already."""
        if call.is_large:
            return self._large(call)
        return self._asked(call, call.request(pb.ModelInferRequest))

    async def _large(self, call: Call) -> Answer:
        answer = self._asked(call, await self._pools.run(partial(call.request, pb.ModelInferRequest)))
        return answer if isinstance(answer, Message) else await answer

    def _asked(self, call: Call, request: Any) -> Answer | Awaitable[Answer]:
        self._dataplane.check_name(request.model_name)
        return self._predictions.answer(call, request.model_version or None, partial(_decode, request))

    async def repository_index(self, call: Call) -> Answer:
        """Every version and its state."""
        ready = call.request(pb.RepositoryIndexRequest).ready
        entries = [
            each for each in await self._pools.load(self._repository.index) if each.state == "READY" or not ready
        ]
        models = [{"name": self._repository.name, **entry._asdict()} for entry in entries]
        return pb.RepositoryIndexResponse(models=models)

    async def repository_load(self, call: Call) -> Answer:
        """Loads a version and makes it the default, or follows the registry again where none is named."""
        name, parameters = self._model(call.request(pb.RepositoryModelLoadRequest))
        loaded = await self._pools.load(partial(self._control.load, call.caller, version_to_load(parameters)))
        call.answered_by(loaded)
        return pb.RepositoryModelLoadResponse(model_name=name, isLoaded=True)

    async def repository_unload(self, call: Call) -> Answer:
        """Unloads the version that is named, or all."""
        name, parameters = self._model(call.request(pb.RepositoryModelUnloadRequest))
        await self._pools.load(partial(self._control.unload, call.caller, named_version(parameters)))
        return pb.RepositoryModelUnloadResponse(model_name=name, isUnloaded=True)

    def _model(self, request: Any) -> tuple[str, dict[str, str]]:
        name = request.triton_model_name or request.model_name
        self._dataplane.check_name(name)
        return name, {key: value.string_param for key, value in request.parameters.items()}


def _decode(request: Any, _: Call, __: Served) -> Decoded[Answer]:
    return v2_grpc.decode(request), partial(_respond, request)


def _respond(request: Any, response: InferResponse) -> Answer:
    return v2_grpc.encode(request.model_name, response, bool(request.raw_input_contents))
