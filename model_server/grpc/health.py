"""`grpc.health.v1`: what Kubernetes' gRPC probes, Envoy and `grpc_health_probe` ask; anyone may."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import HealthServicer

from model_server.grpc.described import HEALTH, HealthListResponse
from model_server.grpc.servicer import SERVICE
from model_server.grpc.streams import Streams
from model_server.repository import ModelRepository

NAMES = ("", SERVICE)
THREADS = 64  # of their own, so that health is answered while other calls are refused
SILENT = THREADS // 2  # calls whose message has not come; of more, the oldest is cancelled

_STATUS = health_pb2.HealthCheckResponse

Send = Callable[[Any], None]


class Health:
    """SERVING exactly while the repository is ready and the server does not stop; `look` tells those who watch."""

    def __init__(self, repository: ModelRepository, streams: Streams) -> None:
        self._repository = repository
        self._streams = streams
        self._servicer = HealthServicer(experimental_non_blocking=True)
        self._stopping = False
        self._said: int | None = None
        self._silent: dict[grpc.ServicerContext, None] = {}
        self._lock = threading.Lock()
        self.look()

    def look(self) -> None:
        """Looks whether the status has changed."""
        with self._lock:
            status = self._status()
            if status != self._said:
                self._said = status
                for name in NAMES:
                    self._servicer.set(name, status)

    def stop(self) -> None:
        """From now on it is NOT_SERVING."""
        self._stopping = True
        self.look()

    def handlers(self) -> grpc.GenericRpcHandler:
        """Check, Watch and List for grpc's server; their calls run in `THREADS` threads of their own."""
        threads = ThreadPoolExecutor(THREADS, thread_name_prefix="grpc-health")
        check = _in(threads, self._check)
        watch = _in(threads, self._watch)
        watch.experimental_non_blocking = True  # type: ignore[attr-defined]
        listing = _in(threads, self._list)
        return grpc.method_handlers_generic_handler(
            f"{HEALTH}.Health",
            {
                "Check": grpc.stream_unary_rpc_method_handler(check, response_serializer=_STATUS.SerializeToString),
                "Watch": grpc.stream_stream_rpc_method_handler(watch, response_serializer=_STATUS.SerializeToString),
                "List": grpc.stream_unary_rpc_method_handler(
                    listing, response_serializer=HealthListResponse.SerializeToString
                ),
            },
        )

    def _status(self) -> int:
        serving = self._repository.ready and not self._stopping
        return int(_STATUS.SERVING if serving else _STATUS.NOT_SERVING)

    def _check(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> Any:
        request = self._request(messages, context)
        self.look()
        return self._servicer.Check(request, context)

    def _list(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> Any:
        self._request(messages, context)
        status = self._status()
        return HealthListResponse(statuses={name: {"status": status} for name in NAMES})

    def _watch(self, messages: Iterator[bytes], context: grpc.ServicerContext, send_response_callback: Send) -> None:
        request = self._request(messages, context)
        self._streams.add(context)
        self.look()
        self._servicer.Watch(request, context, send_response_callback)

    def _request(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> Any:
        """The message of a call; a caller who sends none is cancelled when there are many of them."""
        with self._lock:
            self._silent[context] = None
            if len(self._silent) > SILENT:
                next(iter(self._silent)).cancel()
        try:
            return health_pb2.HealthCheckRequest.FromString(next(messages, b""))
        except Exception:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The message is not what this method takes, or is broken.")
            raise
        finally:
            with self._lock:
                self._silent.pop(context, None)


def _in(threads: ThreadPoolExecutor, method: Callable[..., Any]) -> Callable[..., Any]:
    """The method as grpc takes one that has threads of its own."""

    def behavior(*args: Any, **named: Any) -> Any:
        return method(*args, **named)

    behavior.experimental_thread_pool = threads  # type: ignore[attr-defined]
    return behavior
