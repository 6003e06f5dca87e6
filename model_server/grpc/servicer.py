"""V2 (Open Inference Protocol) over gRPC."""

import time
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import grpc
import structlog
from google.protobuf.message import DecodeError

from model_server.access import Access, Right
from model_server.codecs import v2_grpc
from model_server.controlplane import Control, named_version, version_to_load
from model_server.dataplane import DataPlane, without_parameters
from model_server.errors import InvalidInput, ModelFailed, NotReady, Overloaded, ServeError
from model_server.grpc.call import Call
from model_server.grpc.v2_pb import pb
from model_server.metrics import Metrics
from model_server.overload.calls import CallExecutor
from model_server.repository import Served

if TYPE_CHECKING:
    from model_server.tracing.tracer import Tracer

log = structlog.get_logger(__name__)

SERVICE = "inference.GRPCInferenceService"
UNTRACED = ("ServerLive", "ServerReady", "ServerMetadata", "ModelReady")  # what probes ask


class Reply(NamedTuple):
    """A method's answer; `version` is the one that gave it, if one did."""

    message: Any
    version: str = ""


Method = Callable[[Any, Call], Reply]


class InferenceServicer:
    """The methods of the inference service; each takes a message and gives one."""

    def __init__(
        self,
        dataplane: DataPlane,
        control: Control,
        metrics: Metrics,
        access: Access,
        executor: CallExecutor,
        tracer: "Tracer | None" = None,
    ) -> None:
        self._dataplane = dataplane
        self._control = control
        self._access = access
        self._repository = dataplane.repository
        self._metrics = metrics
        self._executor = executor
        self._tracer = tracer

    def handlers(self) -> grpc.GenericRpcHandler:
        """The service, for grpc's server."""
        methods: dict[str, tuple[Method, Any]] = {
            "ServerLive": (self.server_live, pb.ServerLiveRequest),
            "ServerReady": (self.server_ready, pb.ServerReadyRequest),
            "ServerMetadata": (self.server_metadata, pb.ServerMetadataRequest),
            "ModelReady": (self.model_ready, pb.ModelReadyRequest),
            "ModelMetadata": (self._predicting(self.model_metadata), pb.ModelMetadataRequest),
            "ModelInfer": (self._predicting(self.model_infer), pb.ModelInferRequest),
            "RepositoryIndex": (self._predicting(self.repository_index), pb.RepositoryIndexRequest),
            "RepositoryModelLoad": (self.repository_load, pb.RepositoryModelLoadRequest),
            "RepositoryModelUnload": (self.repository_unload, pb.RepositoryModelUnloadRequest),
        }
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                # To the caller it is one message and one answer; taken as a stream, the message is waited for here.
                name: grpc.stream_unary_rpc_method_handler(
                    self._guarded(name, method, request.FromString),
                    response_serializer=lambda message: message.SerializeToString(),
                )
                for name, (method, request) in methods.items()
            },
        )

    def server_live(self, *_: Any) -> Reply:
        """Alive if it answers."""
        return Reply(pb.ServerLiveResponse(live=True))

    def server_ready(self, *_: Any) -> Reply:
        """Ready if a default version is loaded."""
        return Reply(pb.ServerReadyResponse(ready=self._repository.ready))

    def server_metadata(self, *_: Any) -> Reply:
        """Name, version and extensions of the server."""
        return Reply(pb.ServerMetadataResponse(**self._dataplane.server_metadata()))

    def model_ready(self, request: Any, call: Call) -> Reply:
        """Whether a version can be asked; one that is only in the registry is loaded, for who may predict."""
        if request.version and self._access.guards(Right.predict):
            self._require(Right.predict, call, "model_ready")
        try:
            with structlog.contextvars.bound_contextvars(**call.log_fields):
                ready = self._dataplane.model_ready(request.name, request.version or None)
        except NotReady:
            ready = False
        return Reply(pb.ModelReadyResponse(ready=ready))

    def model_metadata(self, request: Any, call: Call) -> Reply:
        """Inputs and outputs of a version."""
        with structlog.contextvars.bound_contextvars(**call.log_fields):
            metadata = self._dataplane.model_metadata(request.name, request.version or None)
        inputs = without_parameters(metadata["inputs"])
        return Reply(pb.ModelMetadataResponse(**metadata | {"inputs": inputs}))

    def model_infer(self, request: Any, call: Call) -> Reply:
        """Scores the tensors of a request."""
        started = time.perf_counter()
        version, status = "", "OK"
        try:
            served = self._served(request, call)
            version = served.model.version
            with self._executor.turn():  # which whoever waits for a version to be loaded does not take from others
                return self._infer(request, call, served)
        except ServeError as error:
            status = error.grpc
            if isinstance(error, ModelFailed):
                log.error("model failed", version=version, exc_info=error.__cause__, **call.log_fields)
            raise
        except Exception:
            status = "INTERNAL"
            raise
        finally:
            trace_id = call.trace.trace_id if call.trace else ""
            self._metrics.request("grpc", version, status, time.perf_counter() - started, trace_id)

    def _served(self, request: Any, call: Call) -> Served:
        name, version = request.model_name, request.model_version or None
        if self._repository.loaded(version) is not None:
            return self._dataplane.served(name, version)
        with structlog.contextvars.bound_contextvars(**call.log_fields):  # of what is logged while it is loaded
            return self._dataplane.served(name, version)

    def _infer(self, request: Any, call: Call, served: Served) -> Reply:
        trace, raw = call.trace, bool(request.raw_input_contents)
        if trace:
            trace.ended("queue")
        decoded = v2_grpc.decode(request)
        if trace:
            trace.ended("decode")
        response = self._dataplane.infer(served, decoded, call.traceparent)
        if trace:
            trace.ended("score")
            trace.scored(request.model_name, response.model_version, response.outputs[0].shape[0])
        message = v2_grpc.encode(request.model_name, response, raw)
        if trace:
            trace.ended("encode")
        return Reply(message, response.model_version)

    def repository_index(self, request: Any, _: Call) -> Reply:
        """Every version and its state."""
        entries = [entry for entry in self._repository.index() if entry.state == "READY" or not request.ready]
        models = [{"name": self._repository.name, **entry._asdict()} for entry in entries]
        return Reply(pb.RepositoryIndexResponse(models=models))

    def repository_load(self, request: Any, call: Call) -> Reply:
        """Loads a version and makes it the default, or follows the registry again where none is named."""
        who = self._require(Right.load, call, "repository_load")
        name, parameters = self._model(request)
        loaded = self._control.load(who, version_to_load(parameters))
        return Reply(pb.RepositoryModelLoadResponse(model_name=name, isLoaded=True), loaded)

    def repository_unload(self, request: Any, call: Call) -> Reply:
        """Unloads the version that is named, or all."""
        who = self._require(Right.load, call, "repository_unload")
        name, parameters = self._model(request)
        self._control.unload(who, named_version(parameters))
        return Reply(pb.RepositoryModelUnloadResponse(model_name=name, isUnloaded=True))

    def _predicting(self, method: Method) -> Method:
        """The method for who may predict; the method itself where anyone may."""
        if not self._access.guards(Right.predict):
            return method

        @wraps(method)
        def admitted(request: Any, call: Call) -> Reply:
            self._require(Right.predict, call, method.__name__)
            return method(request, call)

        return admitted

    def _require(self, right: Right, call: Call, endpoint: str) -> str:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(**call.log_fields)
        return self._access.require(right, call.sent("authorization"), endpoint)

    def _model(self, request: Any) -> tuple[str, dict[str, str]]:
        name = request.triton_model_name or request.model_name
        self._dataplane.check_name(name)
        return name, {key: value.string_param for key, value in request.parameters.items()}

    def _guarded(self, name: str, method: Method, parse: Callable[[bytes], Any]) -> Callable[..., Any]:
        """The method as grpc calls it: whatever it raises, its caller receives a sentence."""

        def answer(messages: Any, context: grpc.ServicerContext) -> Any:
            call = Call.of(context)
            message = self._message(messages, call)
            if self._tracer and name not in UNTRACED:
                call = call.traced(self._tracer, f"{SERVICE}/{name}")
            try:
                reply = method(parse(message), call)
            except Exception as error:
                self._fail(name, error, call)
            if call.trace:
                call.trace.end("OK")
            call.respond(reply.version)
            return reply.message

        return answer

    def _message(self, messages: Any, call: Call) -> Any:
        try:
            return self._executor.message(messages, call.context)
        except ServeError as error:
            if isinstance(error, Overloaded):
                self._metrics.request("grpc", "", error.grpc, 0.0)
            self._end(error, call)

    def _fail(self, name: str, error: Exception, call: Call) -> NoReturn:
        if isinstance(error, DecodeError):
            error = InvalidInput("The message is not what this method takes, or is broken.")
        elif not isinstance(error, ServeError):
            log.error("call failed", method=name, exc_info=error, **call.log_fields)
            error = ModelFailed("The server failed on this request; its log has the cause.")
        self._end(error, call)

    def _end(self, error: ServeError, call: Call) -> NoReturn:
        if call.trace:
            call.trace.end(error.grpc)
        if isinstance(error, Overloaded):
            self._metrics.shed("grpc")
            call.abort(error, ("grpc-retry-pushback-ms", str(error.retry_seconds * 1000)))  # for clients' retry policy
        call.abort(error)
