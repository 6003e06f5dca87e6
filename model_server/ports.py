"""The two ports, of one process or of several among which the kernel shares out the connections (SO_REUSEPORT)."""

import socket

from model_server.settings import ServerSettings
from tabular_model.errors import ModelError


def reserve(settings: ServerSettings) -> list[socket.socket]:
    """Keeps both ports for workers to share; ModelError when another server has one of them.

    A socket that is bound and does not listen gets no connections.
    """
    ports = (("HTTP", settings.http_port), ("GRPC", settings.grpc_port))
    for protocol, port in ports:
        bound(settings.host, port, protocol, shared=False).close()  # which fails where anybody listens
    return [bound(settings.host, port, protocol, shared=True) for protocol, port in ports]


def bound(host: str, port: int, protocol: str, shared: bool) -> socket.socket:
    """A socket at a port; `shared` with others of this user that are bound so. ModelError when it cannot be had."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, kind, number)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
            opened.bind(address)
        except OSError:
            opened.close()
            raise
    except OSError as error:
        raise not_opened(host, port, protocol, str(error.strerror)) from error
    return opened


def not_opened(host: str, port: int, protocol: str, why: str) -> ModelError:
    return ModelError(
        f"Port {port} of {host} cannot be opened for {protocol} ({why}); choose another with LOAN_{protocol}_PORT."
    )
