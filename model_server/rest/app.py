"""Every HTTP request's way through the server: routed, authorized, admitted, answered, counted."""

import time
from collections.abc import Awaitable, Collection

import structlog

from model_server.access import ANYONE, Access, Right
from model_server.errors import Overloaded, ServeError
from model_server.metrics import Metrics
from model_server.overload.event_loop import LoopQueue
from model_server.overload.policy import Pace
from model_server.rest.cors import Cors
from model_server.rest.failures import failure
from model_server.rest.http import Answer, Request, Response
from model_server.rest.routing import Call, Endpoint, Router, Target


class RestApp:
    """All HTTP endpoints of one server."""

    def __init__(
        self, router: Router, metrics: Metrics, access: Access, queue_seconds: float, cors_origins: Collection[str]
    ) -> None:
        self._target = router.find
        self._queue = LoopQueue(queue_seconds)
        self._pace = Pace()
        self._metrics = metrics
        self._access = access
        self._cors = Cors(cors_origins) if cors_origins else None
        self._free = {None} if access.guards(Right.predict) else {None, Right.predict}  # that nobody is asked for

    def answer(self, request: Request) -> Answer:
        """The answer to a whole request, at once or to be awaited; raises nothing."""
        if self._cors is None:
            return self._answer(request)
        return self._cors.preflight(request) or self._cors.answer(request, self._answer(request))

    def refuse(self, request: Request, error: ServeError) -> Response:
        """The answer to a request that is refused before it is whole, counted where it belongs."""
        started = time.perf_counter()
        try:
            protocol = self._target(request.url).protocol
        except ServeError:
            protocol = ""
        response = self._failed(request, error, protocol)
        self._count(response, protocol, started)
        return response if self._cors is None else self._cors.extended(request, response)

    def shed(self, what: str) -> None:
        """Counts a request or a connection that was refused for there being too many."""
        self._metrics.shed(what)

    def _answer(self, request: Request) -> Answer:
        started = time.perf_counter()
        protocol = ""
        try:
            target = self._target(request.url)
            protocol = target.protocol
            endpoint = target.endpoint(request.method)
            if protocol and not self._queue.admits(started):
                raise Overloaded
            if endpoint.route.right in self._free:
                answer = endpoint.handler(Call(request, target.names, target.query, ANYONE))
            else:
                answer = self._authorized(request, target, endpoint)
        except Exception as error:
            answer = self._failed(request, error, protocol)
        if not isinstance(answer, Response):
            return self._later(request, answer, protocol, started)
        self._count(answer, protocol, started)
        return answer

    async def _authorized(self, request: Request, target: Target, endpoint: Endpoint) -> Response:
        structlog.contextvars.bind_contextvars(request_id=request.id.decode("latin-1"))
        right: Right = endpoint.route.right  # type: ignore[assignment]
        caller = await self._access.admit(right, request.header("authorization"), target.path)
        answer = endpoint.handler(Call(request, target.names, target.query, caller))
        return answer if isinstance(answer, Response) else await answer

    async def _later(self, request: Request, answer: Awaitable[Response], protocol: str, started: float) -> Response:
        try:
            response = await answer
        except Exception as error:
            response = self._failed(request, error, protocol)
        self._count(response, protocol, started)
        return response

    def _failed(self, request: Request, error: Exception, protocol: str) -> Response:
        response = failure(request, error)
        if isinstance(error, Overloaded):
            self.shed(protocol)
            return response._replace(delay=self._pace.delay(time.perf_counter()))
        return response

    def _count(self, response: Response, protocol: str, started: float) -> None:
        if protocol:
            self._metrics.request(protocol, response.version, str(response.status), time.perf_counter() - started)
