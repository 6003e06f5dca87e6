"""The two ports, of one process or of several among which the kernel shares out the connections (SO_REUSEPORT)."""

import socket

from model_server.settings import ListeningSettings
from tabular_model.errors import ModelError


def reserve(settings: ListeningSettings) -> list[socket.socket]:
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
        family, kind, number, _, address = socket.getaddrinfo(listening(host), port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, kind, number)
        try:
            if family == socket.AF_INET6:  # an IPv6 address of all takes IPv4 too
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
            opened.bind(address)
        except OSError:
            opened.close()
            raise
    except OSError as error:
        raise not_opened(host, port, protocol, str(error.strerror)) from error
    return opened


def listening(host: str) -> str:
    """The address to listen on, without brackets; all there are, IPv4 and IPv6, if it is empty."""
    return host.strip("[]") or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0")  # noqa: S104


def not_opened(host: str, port: int, protocol: str, why: str) -> ModelError:
    """The error for a port that cannot be opened; it names the settings to change."""
    return ModelError(
        f"Port {port} of {listening(host)} cannot be opened for {protocol} ({why}); choose another with "
        f"LOAN_{protocol}_PORT, or another address with LOAN_HOST."
    )
