"""TLS for both ports from files that may change: a handshake uses the current certificate."""

import ssl
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import grpc
import structlog

from tabular_model.errors import ModelError

log = structlog.get_logger(__name__)

Stamp = tuple[int, int, int, int]


class Certificate:
    """A certificate chain and its key in PEM, as a Secret of type kubernetes.io/tls holds them.

    A pair that does not match, such as when one file is replaced before the other, is not used; the last valid pair is.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self._lock = Lock()
        try:
            self._seen = self._stamp()
            self._context = _context(*self._files)
        except (OSError, ssl.SSLError) as error:
            raise ModelError(f"TLS needs a certificate and its key in {certificate} and {key}: {error}.") from None

    @cached_property
    def for_http(self) -> ssl.SSLContext:
        """A context whose handshakes continue in the current one."""
        context = _context(*self._files)

        def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            self._refresh()
            connection.context = self._context

        context.sni_callback = choose
        return context

    @cached_property
    def for_grpc(self) -> Any:
        """Credentials that ask for the current pair at every handshake."""
        given: list[ssl.SSLContext] = []

        def fetch() -> Any:
            self._refresh()
            if given[-1:] == [self._context]:
                return None  # as before
            given[:] = [self._context]
            return self._configuration()

        given.append(self._context)
        return grpc.dynamic_ssl_server_credentials(self._configuration(), fetch)

    def _configuration(self) -> Any:
        certificate, key = (path.read_bytes() for path in self._files)
        return grpc.ssl_server_certificate_configuration([(key, certificate)])

    def _refresh(self) -> None:
        with self._lock:
            try:
                seen = self._stamp()
                if seen == self._seen:
                    return
                self._context = _context(*self._files)
            except (OSError, ssl.SSLError) as error:
                log.error("the new certificate is not used", error=str(error))
            else:
                log.info("new certificate")
            self._seen = seen

    def _stamp(self) -> Stamp:
        first, second = (path.stat() for path in self._files)
        return first.st_mtime_ns, first.st_ino, second.st_mtime_ns, second.st_ino


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context
