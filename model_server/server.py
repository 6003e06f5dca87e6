"""The model server: both ports, the repository behind them, and a graceful shutdown.

It does what KServe asks of a predictor's container by itself, without KServe's package; who wants a server of KServe's
own gives it a `LoanPredictor`.
"""

import asyncio
import gc
import signal
import sys
import threading
from typing import TYPE_CHECKING

import grpc
import structlog
import uvloop

from model_server.access import Access, Authorizer
from model_server.access.tokens import TokensFile
from model_server.controlplane import Control, ControlPlane, launcher
from model_server.dataplane import DataPlane
from model_server.grpc import reflection
from model_server.grpc.health import Health
from model_server.grpc.servicer import InferenceServicer
from model_server.grpc.streams import Streams
from model_server.metrics import Metrics
from model_server.overload.calls import CallExecutor
from model_server.overload.constants import ACCEPTS, OPEN_STREAMS, PENDING_CALLS, STREAMS_SECONDS, SWITCH_SECONDS
from model_server.overload.grpcio import take_up
from model_server.ports import bound, not_opened, target
from model_server.repository import ModelRepository
from model_server.rest.app import RestApp
from model_server.rest.routes import ROUTES, endpoints
from model_server.rest.routing import Router
from model_server.rest.server import RestServer
from model_server.settings import AccessSettings, ServerSettings, TlsSettings
from model_server.tls import Certificate
from model_server.tracing import open_tracer
from tabular_model.errors import ModelError
from tabular_model.registry import Registry

if TYPE_CHECKING:
    from model_server.prediction_log import PredictionLog
    from model_server.workers.membership import Membership

log = structlog.get_logger(__name__)

HEALTH_SECONDS = 0.2  # between two looks for who watches the health


class LoanModelServer:
    """Serves until SIGTERM or SIGINT, then answers what is in flight before it ends.

    As a worker of a group it has the group's control plane in the place of one of its own, and shares its ports.
    """

    def __init__(self, settings: ServerSettings, group: "Membership | None" = None) -> None:
        self._settings = settings
        self._group = group
        self._metrics = metrics = Metrics()
        registry = Registry.open(settings.registry, create=True, verify_key=settings.verify_key)
        self._repository = ModelRepository(registry, settings, metrics)
        self._log = _prediction_log(settings, metrics)
        plane = DataPlane(self._repository, metrics, self._log)
        access = Access(_authorizer(settings), settings.anyone_may)
        self._control: Control = group or ControlPlane(registry, self._repository, launcher(settings))
        answering = endpoints(plane, self._control, settings, (group or metrics).exposition)
        self._tracer = tracer = open_tracer()
        app = RestApp(Router(ROUTES, answering), metrics, access, settings, tracer)
        self._certificate = _certificate(settings)
        self._rest = RestServer(app, settings, self._certificate)
        executor = CallExecutor(settings)
        servicer = InferenceServicer(plane, self._control, metrics, access, executor, tracer)
        self._streams = Streams(OPEN_STREAMS)
        self._health = Health(self._repository, self._streams)
        handlers = [servicer.handlers(), self._health.handlers(), *reflection.handlers(self._streams)]
        self._grpc = _grpc_server(handlers, executor, settings.max_body_bytes, shared=group is not None)

    def run(self) -> None:
        """Loads the default version, opens both ports and serves."""
        sys.setswitchinterval(SWITCH_SECONDS)
        self._repository.open()
        if self._group:
            self._group.join(self._repository, self._metrics)
        else:
            self._repository.follow()
        gc.freeze()  # what is here now stays, and the collector need not look at it again while requests wait
        uvloop.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop, number)
        http = bound(self._settings.host, self._settings.http_port, "HTTP", shared=self._group is not None)
        self._open_grpc()
        if self._group:
            self._group.serving()
        scheme = "https" if self._settings.tls_certificate else "http"
        log.info("serving", http=f"{scheme}://localhost:{self._settings.http_port}/docs", grpc=self._settings.grpc_port)
        looking = asyncio.create_task(self._look_at_health())
        await self._rest.serve([http, *(http.dup() for _ in range(ACCEPTS - 1))])
        looking.cancel()
        await asyncio.to_thread(self._stop_grpc().wait)
        await self._control.stop()
        self._repository.stop()
        if self._log:
            self._log.stop()
        if self._tracer:
            self._tracer.stop()
        log.info("stopped")

    async def _look_at_health(self) -> None:
        """For those who watch; who asks is told by what is then."""
        while True:
            await asyncio.sleep(HEALTH_SECONDS)
            self._health.look()

    def stop(self, sig: int) -> None:
        """Called with a signal's number; returns at once. `run` ends when what is in flight is answered.

        Health is NOT_SERVING, no new requests are taken, and streams are ended after `STREAMS_SECONDS`.
        """
        log.info("stopping", signal=signal.Signals(sig).name)
        self._health.stop()
        self._rest.should_exit = True
        self._stop_grpc()
        threading.Timer(STREAMS_SECONDS, self._streams.end).start()

    def _open_grpc(self) -> None:
        """Not before a version is loaded: from here on the kernel gives this process its share of the connections."""
        host, port = self._settings.host, self._settings.grpc_port
        try:
            if self._certificate:
                self._grpc.add_secure_port(target(host, port), self._certificate.for_grpc)
            else:
                self._grpc.add_insecure_port(target(host, port))
        except RuntimeError as error:
            raise not_opened(host, port, "GRPC", "grpc's line above says why") from error
        self._grpc.start()
        take_up(self._grpc)

    def _stop_grpc(self) -> threading.Event:
        """Takes no new calls; the event is set once those in flight are answered."""
        return self._grpc.stop(self._settings.grace_seconds)


def _authorizer(settings: AccessSettings) -> Authorizer:
    if settings.access == "tokens":
        return TokensFile(settings.tokens)
    if not settings.access_service:
        raise ModelError("LOAN_ACCESS is kubernetes, so LOAN_ACCESS_SERVICE must name the InferenceService.")
    from model_server.access.cluster import ClusterAuthorizer  # noqa: PLC0415 - for the cluster's client, which is slow

    return ClusterAuthorizer(
        settings.access_service, settings.access_namespace, settings.access_audience, settings.access_seconds
    )


def _prediction_log(settings: ServerSettings, metrics: Metrics) -> "PredictionLog | None":
    if not settings.log_predictions:
        return None
    from model_server.prediction_log import PredictionLog  # noqa: PLC0415 - only for who logs predictions

    return PredictionLog.to(
        settings.log_predictions, settings.model_name, settings.log_share, settings.log_protected, metrics
    )


def _certificate(settings: TlsSettings) -> Certificate | None:
    if settings.tls_certificate and settings.tls_key:
        return Certificate(settings.tls_certificate, settings.tls_key)
    if settings.tls_certificate or settings.tls_key:
        raise ModelError("TLS needs both LOAN_TLS_CERTIFICATE and LOAN_TLS_KEY, but one of them is not set.")
    return None


def _grpc_server(
    handlers: list[grpc.GenericRpcHandler], executor: CallExecutor, max_bytes: int, shared: bool
) -> grpc.Server:
    return grpc.server(
        executor,
        handlers=handlers,
        options=[
            ("grpc.max_receive_message_length", max_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", int(shared)),
            ("grpc.server.max_pending_requests", PENDING_CALLS),
            ("grpc.server.max_pending_requests_hard_limit", 2 * PENDING_CALLS),
        ],
    )
