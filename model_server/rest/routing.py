"""From a URL to its endpoint: what a route is, how the table of routes is searched, and what an endpoint is given."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from types import MethodType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote

import httptools
import msgspec

from model_server.access import Right
from model_server.errors import InvalidInput, MethodNotAllowed, NotFound
from model_server.overload.constants import INLINE_BYTES
from model_server.request_ids import trace_context
from model_server.rest.http import Answer, Request

if TYPE_CHECKING:
    from model_server.tracing.tracer import Trace

URLS = 256  # that are remembered: callers ask the same few again and again, found so in 0.1 us, matched anew in 5


class Call(msgspec.Struct, gc=False):
    """A request at its endpoint: the names in its path, its query string, and its caller where a right is needed.

    `trace` is there when it is sampled.
    """

    request: Request
    names: Mapping[str, str]
    query: str
    caller: str
    trace: "Trace | None" = None

    @property
    def request_id(self) -> str:
        """The caller's `x-request-id`, or the one that was made for it."""
        return self.request.id.decode("latin-1")

    @property
    def traceparent(self) -> str:
        """The trace that it belongs to, for others who are called; empty if to none."""
        if self.trace is None and b"traceparent" not in self.request.headers:
            return ""  # as nearly always
        context = trace_context(self.trace, self.request.header("traceparent"))
        return context.header if context else ""

    @property
    def is_large(self) -> bool:
        """Whether to read it takes longer than a hop to a thread."""
        return self.request.body.size > INLINE_BYTES or self.request.is_packed

    def answered_by(self, version: str) -> None:
        """Told which version answers it, or fails, for metrics and logs."""
        self.request.version = version

    def parameter(self, name: str) -> str | None:
        """The last value of a query parameter; InvalidInput when the query is not UTF-8."""
        if not self.query:
            return None
        try:
            values = parse_qs(self.query, keep_blank_values=True, errors="strict").get(name)
        except ValueError:
            raise InvalidInput("The query string is not valid; percent-encode it as UTF-8.") from None
        return values[-1] if values else None

    def flag(self, name: str) -> bool:
        """A query parameter that is true or false, false where it is absent; InvalidInput when it is neither."""
        value = self.parameter(name)
        if value not in (None, "true", "false"):
            raise InvalidInput(f"The query parameter {name} is '{value}'; it must be true or false.")
        return value == "true"


Handler = Callable[[Call], Answer]


class Route(NamedTuple):
    """One method of one path, written as in OpenAPI: `/v2/models/{model}/infer`.

    `handler` is a method of one of the classes of endpoints; `right` is what its caller needs; `protocol` is where the
    metrics count it, if they do. The rest is for OpenAPI, which describes what has a `summary`: `body` names a schema,
    `query` parameters, and `answers` statuses where they are not the usual ones.
    """

    method: str
    path: str
    handler: Callable[[Any, Call], Answer]
    summary: str = ""
    right: Right | None = None
    protocol: str = ""
    body: str = ""
    query: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()


class Endpoint(NamedTuple):
    """A route and what answers it."""

    route: Route
    handler: Handler


class Target(NamedTuple):
    """What a URL leads to: an endpoint for each method, and the names in the path.

    `protocol` is where the metrics count it, whatever the method.
    """

    path: str
    query: str
    names: Mapping[str, str]
    endpoints: Mapping[str, Endpoint]
    protocol: str

    def not_allowed(self, method: str) -> MethodNotAllowed:
        """Why the method has no answer."""
        return MethodNotAllowed(method, self.path, list(self.endpoints))


class Router:
    """Finds the routes of a table by URL; of several paths that match, the first."""

    def __init__(self, routes: Iterable[Route], endpoints: Sequence[object]) -> None:
        """`endpoints` are the objects whose methods the routes name."""
        self._paths: dict[tuple[str, ...], dict[str, Endpoint]] = {}
        for route in routes:
            by_method = self._paths.setdefault(_parts(route.path), {})
            by_method[route.method] = endpoint = Endpoint(route, _bound(route.handler, endpoints))
            if route.method == "GET":
                by_method["HEAD"] = endpoint
        self.find = lru_cache(maxsize=URLS)(self._find)

    def _find(self, url: bytes) -> Target:
        """InvalidInput for a URL that cannot be read, NotFound for one that leads nowhere."""
        try:
            parsed = httptools.parse_url(url)
        except httptools.HttpParserInvalidURLError:
            raise InvalidInput("The URL cannot be read; percent-encode what is not ASCII.") from None
        path = (parsed.path or b"/").decode("latin-1")
        parts = [unquote(part) for part in _parts(path)]
        for template, endpoints in self._paths.items():
            names = _match(template, parts)
            if names is not None:
                protocol = next(iter(endpoints.values())).route.protocol
                return Target(path, (parsed.query or b"").decode("latin-1"), names, endpoints, protocol)
        raise NotFound(f"{path} was not found; /docs lists the endpoints.")


def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.strip("/").split("/"))


def _match(template: Sequence[str], parts: Sequence[str]) -> dict[str, str] | None:
    """The values of the template's names, None where the path is another; `{model}:predict` matches the whole."""
    if len(template) != len(parts):
        return None
    names = {}
    for expected, part in zip(template, parts, strict=True):
        name, _, end = expected.partition("}")
        if not name.startswith("{"):
            if part != expected:
                return None
        elif part.endswith(end) and ":" not in part.removesuffix(end):  # in no name, but before a verb such as :predict
            names[name[1:]] = part.removesuffix(end)
        else:
            return None
    return names


def _bound(handler: Callable[[Any, Call], Answer], endpoints: Sequence[object]) -> Handler:
    owner = next(each for each in endpoints if getattr(type(each), handler.__name__, None) is handler)
    return MethodType(handler, owner)
