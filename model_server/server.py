"""The model server: both ports, the repository behind them, and an orderly end.

It does what KServe asks of a predictor's container by itself; KServe's classes, which take longer to import than all of
this, are for those who hold a `LoanPredictor` in a server of KServe's.
"""

import asyncio
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import structlog
import uvloop

from loan_model.errors import LoanError
from loan_model.registry import Registry
from model_server.dataplane import DataPlane
from model_server.grpc.servicer import InferenceServicer
from model_server.metrics import Metrics
from model_server.repository import ModelRepository
from model_server.rest.app import RestApp
from model_server.rest.plain import PlainDoor
from model_server.rest.server import RestServer
from model_server.rest.v2 import V2Door
from model_server.settings import ServerSettings
from training_job.launch import Launcher, ProcessLauncher

log = structlog.get_logger(__name__)


class LoanModelServer:
    """Serves until SIGTERM or SIGINT, then answers what is in flight before it ends."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        metrics = Metrics()
        self._repository = ModelRepository(Registry.open(settings.registry, create=True), settings, metrics)
        plane = DataPlane(self._repository, metrics)
        self._launcher = _launcher(settings)
        app = RestApp(V2Door(plane), PlainDoor(plane, self._launcher, settings), metrics, settings)
        self._rest = RestServer(app, settings)
        self._grpc = _grpc_server(InferenceServicer(plane, metrics), settings)

    def run(self) -> None:
        """Loads the default version, opens both ports and serves."""
        self._repository.follow()
        uvloop.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop, number)
        self._grpc.start()
        log.info("serving", http=f"http://localhost:{self._settings.http_port}/docs", grpc=self._settings.grpc_port)
        await self._rest.serve()
        await asyncio.to_thread(self._stop_grpc().wait)
        await self._launcher.stop()
        self._repository.stop()
        log.info("stopped")

    def stop(self, sig: int) -> None:
        log.info("stopping", signal=signal.Signals(sig).name)
        self._rest.should_exit = True
        self._stop_grpc()

    def _stop_grpc(self) -> threading.Event:
        """Takes no new calls; the event is set once those in flight are answered."""
        return self._grpc.stop(self._settings.grace_seconds)


def _launcher(settings: ServerSettings) -> Launcher:
    if settings.train_cronjob:
        from training_job.job import JobLauncher  # noqa: PLC0415 - Kubernetes' client takes 0.2 s to import

        return JobLauncher(settings.train_cronjob, settings.train_namespace)
    return ProcessLauncher(settings.registry, settings.train_data)


def _grpc_server(servicer: InferenceServicer, settings: ServerSettings) -> grpc.Server:
    server = grpc.server(
        ThreadPoolExecutor(settings.grpc_threads, thread_name_prefix="grpc"),
        handlers=[servicer.handlers()],
        options=[
            ("grpc.max_receive_message_length", settings.max_body_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ],
    )
    try:
        server.add_insecure_port(f"{settings.host}:{settings.grpc_port}")
    except RuntimeError as error:
        raise LoanError(
            f"Port {settings.grpc_port} cannot be opened for gRPC; choose another with LOAN_GRPC_PORT."
        ) from error
    return server
