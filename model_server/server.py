"""The model server: both ports, the repository behind them, and a graceful shutdown.

It does what KServe asks of a predictor's container by itself, without KServe's package; who wants a server of KServe's
own gives it a `LoanPredictor`.
"""

import asyncio
import gc
import signal
import socket
import sys
from typing import TYPE_CHECKING

import structlog
import uvloop

from model_server.access import Access, Authorizer
from model_server.access.tokens import TokensFile
from model_server.controlplane import Control, ControlPlane, launcher
from model_server.dataplane import DataPlane, Log
from model_server.grpc import reflection
from model_server.grpc.app import GrpcApp
from model_server.grpc.health import Health
from model_server.grpc.server import GrpcServer
from model_server.grpc.servicer import InferenceServicer
from model_server.metrics import Metrics
from model_server.monitor_gauges import MonitorGauges
from model_server.overload.admission import Admission
from model_server.overload.connections import ConnectionLimits
from model_server.overload.constants import ACCEPTS, SWITCH_SECONDS
from model_server.overload.threads import ThreadPools
from model_server.ports import bound
from model_server.predictions import Predictions
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
    from model_server.workers.membership import Membership

log = structlog.get_logger(__name__)


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
        self._logs = _logs(settings, metrics)
        self._gauges = None if group else MonitorGauges.of(settings, metrics)
        plane = DataPlane(self._repository, metrics, self._logs)
        access = Access(_authorizer(settings), settings.anyone_may)
        self._control: Control = group or ControlPlane(registry, self._repository, launcher(settings))
        self._tracer = tracer = open_tracer()
        self._health = Health(self._repository)
        # Of both ports: they have one event loop, and one memory.
        pools, limits = ThreadPools(settings.queue_seconds), ConnectionLimits(settings)
        admission, predictions = Admission(settings.queue_seconds, metrics), Predictions(plane, pools)
        certificate = _certificate(settings)
        answering = endpoints(plane, self._control, settings, pools, predictions, (group or metrics).exposition)
        self._scheme = "https" if certificate else "http"
        rest = RestApp(Router(ROUTES, answering), metrics, access, admission, self._scheme, tracer)
        self._rest = RestServer(rest, settings, limits, certificate)
        servicer = InferenceServicer(plane, predictions, self._control, access, pools)
        methods = servicer.methods() | self._health.methods()
        staying = self._health.staying() | reflection.staying()
        grpc = GrpcApp(methods, staying, metrics, access, admission, settings.max_body_bytes, tracer)
        self._grpc = GrpcServer(grpc, limits, certificate)

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
        http, grpc = self._sockets("HTTP"), self._sockets("GRPC")
        await self._grpc.start(grpc, self._rest.config.backlog)
        if self._group:
            self._group.serving()
        settings = self._settings
        log.info("serving", http=f"{self._scheme}://localhost:{settings.http_port}/docs", grpc=settings.grpc_port)
        await self._rest.serve(http)
        self._stop_grpc()
        await self._grpc.stopped()
        await self._control.stop()
        self._repository.stop()
        for each in self._logs:
            each.stop()
        if self._gauges:
            self._gauges.stop()
        if self._tracer:
            self._tracer.stop()
        log.info("stopped")

    def stop(self, sig: int) -> None:
        """Called with a signal's number; returns at once. `run` ends when what is in flight is answered.

        Health is NOT_SERVING, and no new requests are taken.
        """
        log.info("stopping", signal=signal.Signals(sig).name)
        self._health.stop()
        self._rest.should_exit = True
        self._stop_grpc()

    def _stop_grpc(self) -> None:
        self._grpc.stop(self._settings.grace_seconds)

    def _sockets(self, protocol: str) -> list[socket.socket]:
        """Those that listen at a port; the kernel gives this process its share of the connections from then on."""
        port = self._settings.http_port if protocol == "HTTP" else self._settings.grpc_port
        first = bound(self._settings.host, port, protocol, shared=self._group is not None)
        return [first, *(first.dup() for _ in range(ACCEPTS - 1))]


def _authorizer(settings: AccessSettings) -> Authorizer:
    if settings.access == "tokens":
        return TokensFile(settings.tokens)
    if not settings.access_service:
        raise ModelError("LOAN_ACCESS is kubernetes, so LOAN_ACCESS_SERVICE must name the InferenceService.")
    from model_server.access.cluster import ClusterAuthorizer  # noqa: PLC0415 - for the cluster's client, which is slow

    return ClusterAuthorizer(
        settings.access_service, settings.access_namespace, settings.access_audience, settings.access_seconds
    )


def _logs(settings: ServerSettings, metrics: Metrics) -> list[Log]:
    logs: list[Log] = []
    if settings.log_predictions:
        from model_server.prediction_log import PredictionLog  # noqa: PLC0415 - only for who logs predictions

        logs.append(PredictionLog.to(settings.log_predictions, settings.model_name, settings, metrics))
    if settings.records:
        from model_server.decision_log import DecisionLog  # noqa: PLC0415 - only for who records decisions

        logs.append(DecisionLog.to(settings, metrics, settings.log_refused))
    return logs


def _certificate(settings: TlsSettings) -> Certificate | None:
    if settings.tls_certificate and settings.tls_key:
        return Certificate(settings.tls_certificate, settings.tls_key)
    if settings.tls_certificate or settings.tls_key:
        raise ModelError("TLS needs both LOAN_TLS_CERTIFICATE and LOAN_TLS_KEY, but one of them is not set.")
    return None
