"""Which path is answered by what."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

import httptools
import structlog

from model_server.access import Access, Right
from model_server.admission import LoopQueue, Pace
from model_server.counts import CONTENT_TYPE
from model_server.errors import InvalidInput, MethodNotAllowed, ModelFailed, NotFound, Overloaded, ServeError
from model_server.metrics import Metrics
from model_server.rest import docs, page
from model_server.rest.cors import Cors
from model_server.rest.http import Answer, Handler, Request, Response, error_response, json_response, smaller
from model_server.rest.page import Page
from model_server.rest.plain import PlainEndpoints
from model_server.rest.v1 import V1Endpoints
from model_server.rest.v2 import V2Endpoints
from model_server.settings import ServerSettings

log = structlog.get_logger(__name__)


PREDICT = ":predict"


class Route:
    """A handler for each method of one path; `protocol` where the metrics count it, `right` where it takes one."""

    __slots__ = ("handlers", "protocol", "right")

    def __init__(self, protocol: str = "", right: Right | None = None, **handlers: Handler) -> None:
        self.handlers = handlers
        self.protocol = protocol
        self.right = right


class Target(NamedTuple):
    """What a URL asks for."""

    path: str
    query: str
    route: Route


class RestApp:
    """All HTTP endpoints of one server."""

    def __init__(
        self,
        v1: V1Endpoints,
        v2: V2Endpoints,
        plain: PlainEndpoints,
        people: Page,
        metrics: Metrics,
        exposition: Callable[[], bytes],
        access: Access,
        settings: ServerSettings,
    ) -> None:
        self._queue = LoopQueue(settings.queue_seconds)
        self._pace = Pace()
        self._v1 = v1
        self._v2 = v2
        self._plain = plain
        self._page = people
        self._metrics = metrics
        self._exposition = exposition
        self._access = access
        self._cors = Cors(settings.cors_origins) if settings.cors_origins else None
        self._predict = Right.predict if access.guards(Right.predict) else None
        # Callers ask the same few URLs again and again: found so in 0.1 us, matched anew in 5.
        self._target = lru_cache(maxsize=256)(self._find)

    def answer(self, request: Request) -> Answer:
        if self._cors is None:
            return self._answer(request)
        return self._cors.preflight(request) or self._cors.answer(request, self._answer(request))

    def _answer(self, request: Request) -> Answer:
        started = time.perf_counter()
        protocol = ""
        try:
            path, request.query_string, route = self._target(request.url)
            protocol = route.protocol
            if request.refusal is not None:
                raise request.refusal
            handler = route.handlers.get("GET" if request.method == "HEAD" else request.method)
            if handler is None:
                raise MethodNotAllowed(request.method, path, list(route.handlers))
            if protocol and not self._queue.admits(started):
                raise Overloaded
            answer = self._admitted(request, route.right, path, handler) if route.right else handler(request)
        except Exception as error:
            answer = self._failure(request, error, protocol)
        if not isinstance(answer, Response):
            return self._later(request, answer, protocol, started)
        if protocol:
            self._count(request, answer, protocol, started)
        return answer

    async def _admitted(self, request: Request, right: Right, path: str, handler: Handler) -> Response:
        structlog.contextvars.bind_contextvars(request_id=request.id.decode("latin-1"))
        request.caller = await self._access.admit(right, request.header("authorization"), path)
        answer = handler(request)
        return answer if isinstance(answer, Response) else await answer

    async def _later(self, request: Request, answer: Awaitable[Response], protocol: str, started: float) -> Response:
        try:
            response = await answer
        except Exception as error:
            response = self._failure(request, error, protocol)
        if protocol:
            self._count(request, response, protocol, started)
        return response

    def _failure(self, request: Request, error: Exception, protocol: str) -> Response:
        if isinstance(error, ServeError):
            request.version = error.version
            response = error_response(error)
            if isinstance(error, Overloaded):
                self.shed(protocol)
                return response._replace(delay=self._pace.delay(time.perf_counter()))
            if isinstance(error, ModelFailed):
                _log("model failed", request, error.__cause__ or error, version=error.version)
            return response
        _log("request failed", request, error)
        return json_response({"error": "The server failed on this request; its log says why."}, 500)

    def shed(self, what: str) -> None:
        """Counts a request or a connection that was refused for there being too many."""
        self._metrics.shed(what)

    def _count(self, request: Request, response: Response, protocol: str, started: float) -> None:
        self._metrics.request(protocol, request.version, str(response.status), time.perf_counter() - started)

    def _find(self, url: bytes) -> Target:
        try:
            parsed = httptools.parse_url(url)
        except httptools.HttpParserInvalidURLError:
            raise InvalidInput("The URL cannot be read; percent-encode what is not ASCII.") from None
        path = (parsed.path or b"/").decode("latin-1")
        return Target(path, (parsed.query or b"").decode("latin-1"), self._route(path))

    def _route(self, path: str) -> Route:
        match [unquote(part) for part in path.strip("/").split("/")]:
            case ["v2", *rest]:
                route = self._v2_route(rest)
            case ["v1", "models", *rest]:
                route = self._v1_route(rest)
            case [""]:
                route = Route(GET=self._page.index)
            case ["ui", name] if name in page.ASSETS:
                route = Route(GET=lambda _: self._page.asset(name))
            case ["versions"]:
                route = Route(right=self._predict, GET=self._page.versions)
            case ["versions", version, "report"]:
                route = Route(right=self._predict, GET=lambda request: self._page.report(request, version))
            case ["explain"]:
                route = Route("json", self._predict, POST=self._page.explain)
            case ["predict"]:
                route = Route("json", self._predict, POST=self._plain.predict)
            case ["predict_batch"]:
                route = Route("json", self._predict, POST=self._plain.predict_batch)
            case ["train"]:
                route = Route(right=Right.train, POST=self._plain.train)
            case ["train", name]:
                route = Route(right=Right.train, GET=lambda request: self._plain.training(request, name))
            case ["promote"]:
                route = Route(right=Right.promote, POST=self._plain.promote)
            case ["metrics"]:
                route = Route(GET=self._expose)
            case ["docs"]:
                route = Route(GET=docs.page)
            case ["docs", name] if name in docs.ASSETS:
                route = Route(GET=lambda _: docs.asset(name))
            case ["openapi.json"]:
                route = Route(GET=self._plain.openapi)
            case _:
                raise NotFound(f"There is nothing at {path}; /docs lists what there is.")
        return route

    def _v1_route(self, rest: list[str]) -> Route:
        v1 = self._v1
        match rest:
            case []:
                return Route(right=self._predict, GET=v1.models)
            case [last] if last.endswith(PREDICT):
                name = last.removesuffix(PREDICT)
                return Route("v1", self._predict, POST=lambda request: v1.predict(request, name, None))
            case [name]:
                return Route(GET=lambda _: v1.model_ready(name))
            case [name, "versions", last] if last.endswith(PREDICT):
                version = last.removesuffix(PREDICT)
                return Route("v1", self._predict, POST=lambda request: v1.predict(request, name, version))
        raise NotFound(f"There is nothing at /v1/models/{'/'.join(rest)}; /docs lists what there is.")

    def _v2_route(self, rest: list[str]) -> Route:  # noqa: PLR0911 - one return a path
        v2 = self._v2
        match rest:
            case ["models", name, "infer"]:
                return Route("rest", self._predict, POST=lambda request: v2.infer(request, name, None))
            case ["models", name, "versions", version, "infer"]:
                return Route("rest", self._predict, POST=lambda request: v2.infer(request, name, version))
            case []:
                return Route(GET=v2.server_metadata)
            case ["health", "live"]:
                return Route(GET=v2.live)
            case ["health", "ready"]:
                return Route(GET=v2.ready)
            case ["models"]:
                return Route(right=self._predict, GET=v2.models)
            case ["models", name]:
                return Route(right=self._predict, GET=lambda _: v2.model_metadata(name, None))
            case ["models", name, "ready"]:
                return Route(GET=lambda _: v2.model_ready(name, None))
            case ["models", name, "versions", version]:
                return Route(right=self._predict, GET=lambda _: v2.model_metadata(name, version))
            case ["models", name, "versions", version, "ready"]:
                return Route(right=self._predict, GET=lambda _: v2.model_ready(name, version))
            case ["repository", "index"]:
                return Route(right=self._predict, POST=v2.index)
            case ["repository", "models", name, "load"]:
                return Route(right=Right.load, POST=lambda request: v2.load(request, name))
            case ["repository", "models", name, "unload"]:
                return Route(right=Right.load, POST=lambda request: v2.unload(request, name))
        raise NotFound(f"There is nothing at /v2/{'/'.join(rest)}; /docs lists what there is.")

    async def _expose(self, request: Request) -> Response:
        body = await asyncio.to_thread(self._exposition)
        return smaller(request, Response(200, body, CONTENT_TYPE.encode()))


def _log(event: str, request: Request, error: BaseException, **more: str) -> None:
    url, request_id = request.url.decode("latin-1"), request.id.decode("latin-1")
    log.error(event, url=url, request_id=request_id, exc_info=error, **more)
