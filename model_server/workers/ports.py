"""Two ports for several processes: the kernel hands each connection to one of those that listen (SO_REUSEPORT)."""

import socket

from loan_model.errors import LoanError
from model_server.settings import ServerSettings


def reserve(settings: ServerSettings) -> list[socket.socket]:
    """Keeps both ports for this user's workers; LoanError when another server has one of them.

    A socket that is bound and does not listen gets no connections.
    """
    ports = (("HTTP", settings.http_port), ("GRPC", settings.grpc_port))
    return [_reserve(settings.host, port, protocol) for protocol, port in ports]


def shared(host: str, port: int) -> socket.socket:
    """A socket that is bound as others of this user are."""
    return _bound(host, port, reuse=True)


def _reserve(host: str, port: int, protocol: str) -> socket.socket:
    try:
        _bound(host, port, reuse=False).close()  # which fails where anybody listens
        return _bound(host, port, reuse=True)
    except OSError as error:
        raise LoanError(
            f"Port {port} cannot be opened for {protocol} ({error.strerror}); choose another with LOAN_{protocol}_PORT."
        ) from error


def _bound(host: str, port: int, reuse: bool) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
