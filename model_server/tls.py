"""TLS for both ports from files that may change: a handshake uses the current certificate."""

import ssl
from functools import cached_property
from pathlib import Path
from threading import Lock

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
            self._contexts = _contexts(*self._files)
        except (OSError, ssl.SSLError) as error:
            raise ModelError(f"TLS needs a certificate and its key in {certificate} and {key}: {error}.") from None

    @cached_property
    def for_http(self) -> ssl.SSLContext:
        """A context whose handshakes continue in the current one."""
        return self._following("http/1.1")

    @cached_property
    def for_grpc(self) -> ssl.SSLContext:
        """The same for HTTP/2, which clients of gRPC require to be agreed on."""
        return self._following("h2")

    def _following(self, protocol: str) -> ssl.SSLContext:
        context = _context(*self._files, protocol)

        def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            self._refresh()
            connection.context = self._contexts[protocol]

        context.sni_callback = choose
        return context

    def _refresh(self) -> None:
        with self._lock:
            try:
                seen = self._stamp()
                if seen == self._seen:
                    return
                self._contexts = _contexts(*self._files)
            except (OSError, ssl.SSLError) as error:
                log.error("the new certificate is not used", error=str(error))
            else:
                log.info("new certificate")
            self._seen = seen

    def _stamp(self) -> Stamp:
        first, second = (path.stat() for path in self._files)
        return first.st_mtime_ns, first.st_ino, second.st_mtime_ns, second.st_ino


def _contexts(certificate: Path, key: Path) -> dict[str, ssl.SSLContext]:
    return {protocol: _context(certificate, key, protocol) for protocol in ("http/1.1", "h2")}


def _context(certificate: Path, key: Path, protocol: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols([protocol])
    return context
