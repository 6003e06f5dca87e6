"""The ASGI application: which path is answered by what."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from model_server.errors import MethodNotAllowed, NotFound, ServeError
from model_server.metrics import CONTENT_TYPE, Metrics
from model_server.rest import docs
from model_server.rest.http import (
    Receive,
    Request,
    Response,
    Scope,
    Send,
    error_response,
    json_response,
    send_response,
)
from model_server.rest.plain import PlainDoor
from model_server.rest.v2 import V2Door

log = structlog.get_logger(__name__)

Handler = Callable[[Request], Awaitable[Response]]


class Route:
    """A handler for each method of one path; `protocol` is set where the metrics count it."""

    __slots__ = ("handlers", "protocol")

    def __init__(self, protocol: str = "", **handlers: Handler) -> None:
        self.handlers = handlers
        self.protocol = protocol


class RestApp:
    """All HTTP doors of one server, as an ASGI application."""

    def __init__(self, v2: V2Door, plain: PlainDoor, metrics: Metrics) -> None:
        self._v2 = v2
        self._plain = plain
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        request = Request(scope, receive)
        protocol = ""
        try:
            route = self._route(scope["path"])
            protocol = route.protocol
            handler = route.handlers.get(request.method)
            if handler is None:
                allowed = ", ".join(route.handlers)
                raise MethodNotAllowed(f"{request.method} is not for {scope['path']}; use {allowed}.")
            response = await handler(request)
        except ServeError as error:
            request.version = error.version
            response = error_response(error)
        except Exception:
            log.exception("request failed", path=scope["path"])
            response = json_response({"error": "The server failed on this request; its log says why."}, 500)
        await send_response(send, response)
        if protocol:
            seconds = time.perf_counter() - started
            self._metrics.request(protocol, request.version, str(response.status), seconds)

    def _route(self, path: str) -> Route:
        match path.strip("/").split("/"):
            case ["v2", *rest]:
                route = self._v2_route(rest)
            case [""]:
                route = Route(GET=self._v2.live)
            case ["predict"]:
                route = Route("json", POST=self._plain.predict)
            case ["predict_batch"]:
                route = Route("json", POST=self._plain.predict_batch)
            case ["train"]:
                route = Route(POST=self._plain.train)
            case ["train", name]:
                route = Route(GET=lambda request: self._plain.training(request, name))
            case ["metrics"]:
                route = Route(GET=self._exposition)
            case ["docs"]:
                route = Route(GET=docs.page)
            case ["docs", name] if name in docs.ASSETS:
                route = Route(GET=lambda _: docs.asset(name))
            case ["openapi.json"]:
                route = Route(GET=docs.openapi)
            case _:
                raise NotFound(f"There is nothing at {path}; /docs lists what there is.")
        return route

    def _v2_route(self, rest: list[str]) -> Route:  # noqa: PLR0911 - one return a path
        v2 = self._v2
        match rest:
            case ["models", name, "infer"]:
                return Route("rest", POST=lambda request: v2.infer(request, name, None))
            case ["models", name, "versions", version, "infer"]:
                return Route("rest", POST=lambda request: v2.infer(request, name, version))
            case []:
                return Route(GET=v2.server_metadata)
            case ["health", "live"]:
                return Route(GET=v2.live)
            case ["health", "ready"]:
                return Route(GET=v2.ready)
            case ["models"]:
                return Route(GET=v2.models)
            case ["models", name]:
                return Route(GET=lambda _: v2.model_metadata(name, None))
            case ["models", name, "ready"]:
                return Route(GET=lambda _: v2.model_ready(name, None))
            case ["models", name, "versions", version]:
                return Route(GET=lambda _: v2.model_metadata(name, version))
            case ["models", name, "versions", version, "ready"]:
                return Route(GET=lambda _: v2.model_ready(name, version))
            case ["repository", "index"]:
                return Route(POST=v2.index)
            case ["repository", "models", name, "load"]:
                return Route(POST=lambda request: v2.load(request, name))
            case ["repository", "models", name, "unload"]:
                return Route(POST=lambda request: v2.unload(request, name))
        raise NotFound(f"There is nothing at /v2/{'/'.join(rest)}; /docs lists what there is.")

    async def _exposition(self, _: Request) -> Response:
        body = await asyncio.to_thread(self._metrics.exposition)
        return Response(200, body, CONTENT_TYPE.encode())
