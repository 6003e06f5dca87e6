"""Every HTTP request's way through the server: routed, authorized, admitted, answered, counted."""

import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING

import structlog
from msgspec.structs import replace

from model_server.access import ANYONE, Access, Right
from model_server.errors import Overloaded, ServeError
from model_server.failures import told
from model_server.metrics import Metrics
from model_server.overload.admission import Admission
from model_server.rest.http import Answer, Request, Response, error_response
from model_server.rest.routing import Call, Endpoint, Router, Target
from model_server.tracing.conventions import Attributes, http_attributes, http_name

if TYPE_CHECKING:
    from model_server.tracing.tracer import Trace, Tracer


class RestApp:
    """All HTTP endpoints of one server."""

    def __init__(
        self,
        router: Router,
        metrics: Metrics,
        access: Access,
        admission: Admission,
        scheme: str,
        tracer: "Tracer | None" = None,
    ) -> None:
        self._target = router.find
        self._admission = admission
        self._metrics = metrics
        self._access = access
        self._tracer = tracer
        self._scheme = scheme
        self._open = None if access.guards(Right.predict) else Right.predict  # for which no token is asked

    def refuse(self, request: Request, error: ServeError) -> Response:
        """The answer to a request that is refused before it is whole, counted where it belongs."""
        started = time.perf_counter()
        try:
            protocol = self._target(request.url).protocol
        except ServeError:
            protocol = ""
        response = self._failed(request, error, protocol, None)
        self._count(request, response, protocol, started, None)
        return response

    def shed(self, what: str) -> None:
        """Counts a connection that was refused for there being too many."""
        self._metrics.shed(what)

    def answer(self, request: Request) -> Answer:
        """The answer to a whole request, at once or to be awaited; raises nothing."""
        started = time.perf_counter()
        protocol, trace = "", None
        try:
            target = self._target(request.url)
            protocol = target.protocol
            endpoint = target.endpoints.get(request.method)
            if endpoint is None:
                raise target.not_allowed(request.method)
            right = endpoint.route.right
            if self._tracer and right:
                trace = self._begun(self._tracer, request, target.path, endpoint.route.path)
            if protocol:
                self._admission.admit(started)
            if right is None or right is self._open:
                answer = endpoint.handler(Call(request, target.names, target.query, ANYONE, trace))
            else:
                answer = self._authorized(request, target, endpoint, trace)
        except Exception as error:
            answer = self._failed(request, error, protocol, trace)
        if not isinstance(answer, Response):
            return self._later(request, answer, protocol, started, trace)
        self._count(request, answer, protocol, started, trace)
        return answer

    async def _authorized(
        self, request: Request, target: Target, endpoint: Endpoint, trace: "Trace | None"
    ) -> Response:
        right: Right = endpoint.route.right  # type: ignore[assignment]
        caller = await self._access.admit(right, request.header("authorization"), target.path)
        answer = endpoint.handler(Call(request, target.names, target.query, caller, trace))
        return answer if isinstance(answer, Response) else await answer

    async def _later(
        self, request: Request, answer: Awaitable[Response], protocol: str, started: float, trace: "Trace | None"
    ) -> Response:
        structlog.contextvars.bind_contextvars(**request.log_fields(trace))
        try:
            response = await answer
        except Exception as error:
            response = self._failed(request, error, protocol, trace)
        self._count(request, response, protocol, started, trace)
        return response

    def _failed(self, request: Request, error: Exception, protocol: str, trace: "Trace | None") -> Response:
        def fields() -> dict[str, str]:
            return {"url": request.url.decode("latin-1")} | request.log_fields(trace)

        response = error_response(told(error, "request failed", request.version, fields))
        if isinstance(error, Overloaded):
            return replace(response, delay=self._admission.refuse(protocol or "http"))
        return response

    def _count(
        self, request: Request, response: Response, protocol: str, started: float, trace: "Trace | None"
    ) -> None:
        seconds = time.perf_counter() - started
        if trace:
            trace.end(response.status)
        if protocol:
            status, trace_id = str(response.status), trace.trace_id if trace else ""
            self._metrics.request(protocol, request.version, status, seconds, trace_id)

    def _begun(self, tracer: "Tracer", request: Request, path: str, route: str) -> "Trace | None":
        """The trace of a request to a route, None if it is not sampled."""

        def describe() -> tuple[str, Attributes]:
            return http_name(request.method, route), http_attributes(request.method, path, self._scheme, route)

        return tracer.begin(describe, request.header("traceparent"), request.header("tracestate"))
