"""`grpc.health.v1`: what Kubernetes' gRPC probes, Envoy and `grpc_health_probe` ask; anyone may."""

import asyncio

from grpc_health.v1 import health_pb2

from model_server.errors import NotFound
from model_server.grpc.app import Answer, Method, Send, Stay
from model_server.grpc.call import Call, parsed
from model_server.grpc.described import HEALTH, HealthListResponse
from model_server.grpc.servicer import SERVICE
from model_server.grpc.stream import Messages
from model_server.repository import ModelRepository

NAMES = ("", SERVICE)
LOOK_SECONDS = 0.2  # between two looks for who watches

_STATUS = health_pb2.HealthCheckResponse


class Health:
    """SERVING exactly while the repository is ready and the server does not stop."""

    def __init__(self, repository: ModelRepository) -> None:
        self._repository = repository
        self._stopping = False

    def stop(self) -> None:
        """From now on it is NOT_SERVING."""
        self._stopping = True

    def methods(self) -> dict[bytes, Method]:
        """Check and List, by their paths."""
        return {_path("Check"): Method(self.check), _path("List"): Method(self.listed)}

    def staying(self) -> dict[bytes, Stay]:
        """Watch, whose calls stay open."""
        return {_path("Watch"): self.watch}

    def check(self, call: Call) -> Answer:
        """The status of a service; NotFound for one that is not here."""
        name = call.request(health_pb2.HealthCheckRequest).service
        if name not in NAMES:
            raise NotFound(f"Unknown service '{name}': the server has {SERVICE}, and itself by an empty name.")
        return _STATUS(status=self._status())

    def listed(self, _: Call) -> Answer:
        """The status of all services."""
        return HealthListResponse(statuses={name: {"status": self._status()} for name in NAMES})

    async def watch(self, _: Call, messages: Messages, send: Send) -> None:
        """Sends the status of a service, and again whenever it changes."""
        name = parsed(health_pb2.HealthCheckRequest, await anext(messages, b"")).service
        said = None
        while True:
            status = self._status() if name in NAMES else _STATUS.SERVICE_UNKNOWN
            if status != said:
                said = status
                await send(_STATUS(status=status).SerializeToString())
            await asyncio.sleep(LOOK_SECONDS)

    def _status(self) -> int:
        serving = self._repository.ready and not self._stopping
        return int(_STATUS.SERVING if serving else _STATUS.NOT_SERVING)


def _path(method: str) -> bytes:
    return f"/{HEALTH}.Health/{method}".encode()
