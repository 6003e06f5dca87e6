"""The HTTP port: uvicorn with this package's protocol and application."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import uvicorn

from model_server.overload.connections import ConnectionLimits
from model_server.rest.app import RestApp
from model_server.rest.cors import CorsApp
from model_server.rest.http import App
from model_server.rest.protocol import HttpProtocol
from model_server.settings import ServerSettings
from model_server.tls import Certificate


class RestServer(uvicorn.Server):
    """Leaves signals to the model server, which has gRPC to stop as well."""

    def __init__(
        self, app: RestApp, settings: ServerSettings, limits: ConnectionLimits, certificate: Certificate | None = None
    ) -> None:
        answering: App = CorsApp(app, settings.cors_origins) if settings.cors_origins else app
        super().__init__(
            uvicorn.Config(
                answering,  # type: ignore[arg-type]
                host=settings.host,
                port=settings.http_port,
                http=partial(HttpProtocol, limits),  # type: ignore[arg-type]
                ws="none",
                lifespan="off",
                interface="asgi3",
                proxy_headers=False,
                log_config=None,
                timeout_graceful_shutdown=int(settings.grace_seconds),
                ssl_context_factory=(lambda *_: certificate.for_http) if certificate else None,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield
