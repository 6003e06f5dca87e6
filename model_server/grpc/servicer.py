"""V2 (Open Inference Protocol) over gRPC."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

import grpc
import structlog
from google.protobuf.message import DecodeError

from model_server.access import Access, Right
from model_server.codecs import v2_grpc
from model_server.controlplane import Control, named_version, version_to_load
from model_server.dataplane import DataPlane
from model_server.errors import ModelFailed, NotReady, Overloaded, ServeError
from model_server.grpc import described, repository_pb
from model_server.grpc.v2_pb import pb
from model_server.metrics import Metrics
from model_server.overload.calls import CallExecutor

log = structlog.get_logger(__name__)

SERVICE = "inference.GRPCInferenceService"

Method = Callable[[Any, grpc.ServicerContext], Any]


class InferenceServicer:
    """The methods of the inference service; each takes a message and gives one."""

    def __init__(
        self, dataplane: DataPlane, control: Control, metrics: Metrics, access: Access, executor: CallExecutor
    ) -> None:
        self._dataplane = dataplane
        self._control = control
        self._access = access
        self._repository = dataplane.repository
        self._metrics = metrics
        self._executor = executor

    def handlers(self) -> grpc.GenericRpcHandler:
        methods: dict[str, tuple[Method, Any]] = {
            "ServerLive": (self.server_live, pb.ServerLiveRequest),
            "ServerReady": (self.server_ready, pb.ServerReadyRequest),
            "ServerMetadata": (self.server_metadata, pb.ServerMetadataRequest),
            "ModelReady": (self.model_ready, pb.ModelReadyRequest),
            "ModelMetadata": (self._predicting(self.model_metadata), pb.ModelMetadataRequest),
            "ModelInfer": (self._predicting(self.model_infer), pb.ModelInferRequest),
            "RepositoryIndex": (self._predicting(self.repository_index), described.IndexRequest),
            "RepositoryModelLoad": (self.repository_load, repository_pb.ModelRequest),
            "RepositoryModelUnload": (self.repository_unload, repository_pb.ModelRequest),
        }
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                # To the caller it is one message and one answer; taken as a stream, the message is waited for here.
                name: grpc.stream_unary_rpc_method_handler(
                    self._guarded(method, request.FromString),
                    response_serializer=lambda message: message.SerializeToString(),
                )
                for name, (method, request) in methods.items()
            },
        )

    def server_live(self, *_: Any) -> Any:
        return pb.ServerLiveResponse(live=True)

    def server_ready(self, *_: Any) -> Any:
        return pb.ServerReadyResponse(ready=self._repository.ready)

    def server_metadata(self, *_: Any) -> Any:
        return pb.ServerMetadataResponse(**self._dataplane.server_metadata())

    def model_ready(self, request: Any, _: grpc.ServicerContext) -> Any:
        try:
            return pb.ModelReadyResponse(ready=self._dataplane.model_ready(request.name, request.version or None))
        except NotReady:
            return pb.ModelReadyResponse(ready=False)

    def model_metadata(self, request: Any, _: grpc.ServicerContext) -> Any:
        metadata = self._dataplane.model_metadata(request.name, request.version or None)
        # The protocol's message has no parameters of a tensor.
        inputs = [{name: item[name] for name in ("name", "datatype", "shape")} for item in metadata["inputs"]]
        return pb.ModelMetadataResponse(**metadata | {"inputs": inputs})

    def model_infer(self, request: Any, context: grpc.ServicerContext) -> Any:
        started = time.perf_counter()
        version, status = "", "OK"
        try:
            served = self._dataplane.served(request.model_name, request.model_version or None)
            version = served.model.version
            with self._executor.turn():  # which whoever waits for a version to be loaded does not take from others
                response = self._dataplane.infer(served, v2_grpc.decode(request))
                # Trailing, not leading: leading metadata would be one more write for each call.
                context.set_trailing_metadata((("x-loan-version", version),))
                return v2_grpc.encode(request.model_name, response, bool(request.raw_input_contents))
        except ServeError as error:
            status = error.grpc
            if isinstance(error, ModelFailed):
                request_id = _metadata(context, "x-request-id")
                log.error("model failed", version=version, request_id=request_id, exc_info=error.__cause__)
            raise
        except Exception:
            status = "INTERNAL"
            raise
        finally:
            self._metrics.request("grpc", version, status, time.perf_counter() - started)

    def repository_index(self, request: Any, _: grpc.ServicerContext) -> Any:
        entries = [entry for entry in self._repository.index() if entry.state == "READY" or not request.ready]
        return described.IndexResponse(models=[{"name": self._repository.name, **entry._asdict()} for entry in entries])

    def repository_load(self, request: Any, context: grpc.ServicerContext) -> Any:
        who = self._require(Right.load, context, "repository_load")
        name, parameters = self._model(request)
        version = version_to_load(parameters)
        loaded = self._control.load(who, version)
        context.set_trailing_metadata((("x-loan-version", loaded),))
        return pb.RepositoryModelLoadResponse(model_name=name, isLoaded=True)

    def repository_unload(self, request: Any, context: grpc.ServicerContext) -> Any:
        who = self._require(Right.load, context, "repository_unload")
        name, parameters = self._model(request)
        self._control.unload(who, named_version(parameters))
        return pb.RepositoryModelUnloadResponse(model_name=name, isUnloaded=True)

    def _predicting(self, method: Method) -> Method:
        """The method for who may predict; the method itself where anyone may."""
        if not self._access.guards(Right.predict):
            return method

        @wraps(method)
        def admitted(request: Any, context: grpc.ServicerContext) -> Any:
            self._require(Right.predict, context, method.__name__)
            return method(request, context)

        return admitted

    def _require(self, right: Right, context: grpc.ServicerContext, endpoint: str) -> str:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=_metadata(context, "x-request-id"))
        return self._access.require(right, _metadata(context, "authorization") or None, endpoint)

    def _model(self, request: Any) -> tuple[str, dict[str, str]]:
        name = request.model_name or request.first_name
        self._dataplane.check_name(name)
        return name, {key: value.string_param for key, value in request.parameters.items()}

    def _message(self, messages: Any, context: grpc.ServicerContext) -> Any:
        try:
            return self._executor.message(messages, context)
        except Overloaded as error:
            self._metrics.request("grpc", "", error.grpc, 0.0)
            self._shed(error, context)
        except ServeError as error:
            _abort(context, error.grpc, str(error))

    def _shed(self, error: Overloaded, context: grpc.ServicerContext) -> NoReturn:
        self._metrics.shed("grpc")
        # What a client's own retry policy goes by.
        context.set_trailing_metadata((("grpc-retry-pushback-ms", str(error.retry_seconds * 1000)),))
        _abort(context, error.grpc, str(error))

    def _guarded(self, method: Method, parse: Callable[[bytes], Any]) -> Method:
        def answer(messages: Any, context: grpc.ServicerContext) -> Any:
            message = self._message(messages, context)
            try:
                return method(parse(message), context)
            except DecodeError:
                _abort(context, "INVALID_ARGUMENT", "The message is not what this method takes, or is broken.")
            except Overloaded as error:
                self._shed(error, context)
            except ServeError as error:
                _abort(context, error.grpc, str(error))
            except Exception:
                log.exception("call failed", method=method.__name__, request_id=_metadata(context, "x-request-id"))
                _abort(context, "INTERNAL", "The server failed on this request; its log says why.")

        return answer


def _metadata(context: grpc.ServicerContext, key: str) -> str:
    """What the caller sent under this key, empty if nothing."""
    return str(dict(context.invocation_metadata()).get(key, ""))


def _abort(context: grpc.ServicerContext, status: str, message: str) -> NoReturn:
    context.abort(grpc.StatusCode[status], message)
    raise AssertionError
