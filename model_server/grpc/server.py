"""The gRPC port: what listens there, its connections, and their end."""

import asyncio
import socket

from model_server.grpc.app import GrpcApp
from model_server.grpc.connection import GrpcProtocol
from model_server.overload.connections import ConnectionLimits
from model_server.overload.constants import STREAMS_SECONDS
from model_server.tls import Certificate

_LOOK_SECONDS = 0.02  # between two looks whether all connections are closed


class GrpcServer:
    """Serves `app` from `start` to `stop`."""

    def __init__(self, app: GrpcApp, limits: ConnectionLimits, certificate: Certificate | None = None) -> None:
        self._app = app
        self._limits = limits
        self._certificate = certificate
        self._connections: set[GrpcProtocol] = set()
        self._listening: list[asyncio.Server] = []
        self._end = float("inf")  # of the loop's time, of calls in flight

    async def start(self, sockets: list[socket.socket], backlog: int) -> None:
        """Listens on sockets that are bound; `backlog` is how many connections wait on each."""
        loop = asyncio.get_running_loop()
        context = self._certificate.for_grpc if self._certificate else None
        for each in sockets:
            self._listening.append(await loop.create_server(self._protocol, sock=each, ssl=context, backlog=backlog))

    def _protocol(self) -> GrpcProtocol:
        return GrpcProtocol(self._app, self._limits, self._connections)

    def stop(self, seconds: float) -> None:
        """Takes no new connections, and tells the peers of the others to go elsewhere; at once.

        Calls in flight have so many seconds. Once or more often.
        """
        listening, self._listening = self._listening, []
        if not listening:
            return
        self._end = asyncio.get_running_loop().time() + seconds
        for each in listening:
            each.close()
        for connection in list(self._connections):
            connection.shutdown()
        asyncio.get_running_loop().call_later(STREAMS_SECONDS, self._end_staying)

    async def stopped(self) -> None:
        """Waits until all calls are answered and their connections closed; ends those that are late."""
        loop = asyncio.get_running_loop()
        while self._connections and loop.time() < self._end:
            await asyncio.sleep(_LOOK_SECONDS)
        for connection in list(self._connections):
            connection.abort()

    def _end_staying(self) -> None:
        for connection in list(self._connections):
            connection.end_staying()
