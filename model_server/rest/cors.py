"""Which pages of other origins may ask: none, unless the settings name them (Fetch standard, «CORS protocol»)."""

from collections.abc import Awaitable, Collection

from msgspec.structs import replace

from model_server.errors import ServeError
from model_server.rest.http import Answer, App, Headers, Request, Response

ANY = "*"
_METHODS = b"GET, HEAD, POST"
_HEADERS = (
    b"authorization, content-type, content-encoding, inference-header-content-length, x-request-id, traceparent, "
    b"tracestate"
)
_EXPOSED = b"inference-header-content-length, x-loan-version, x-request-id, retry-after, location"
_SECONDS = b"600"  # for which a browser need not ask again


class CorsApp:
    """An app whose answers have the headers that let a browser hand them to a page of one of these origins."""

    def __init__(self, app: App, origins: Collection[str]) -> None:
        self._app = app
        self._any = ANY in origins
        self._origins = {origin.rstrip("/").encode() for origin in origins}

    def answer(self, request: Request) -> Answer:
        """The app's answer with the headers, or, to a browser that asks whether it may ask, its own."""
        if request.method == "OPTIONS" and b"access-control-request-method" in request.headers:
            return self._preflight(request)
        answer = self._app.answer(request)
        return self._extended(request, answer) if isinstance(answer, Response) else self._later(request, answer)

    def refuse(self, request: Request, error: ServeError) -> Response:
        """The app's refusal with the headers."""
        return self._extended(request, self._app.refuse(request, error))

    def shed(self, what: str) -> None:
        """Tells the app."""
        self._app.shed(what)

    def _preflight(self, request: Request) -> Response:
        asked = ((b"access-control-allow-methods", _METHODS), (b"access-control-allow-headers", _HEADERS))
        allowed = self._allowed(request)
        vary = () if self._any else ((b"vary", b"origin"),)
        said = (*allowed, *asked, (b"access-control-max-age", _SECONDS)) if allowed else ()
        return Response(204, b"", headers=(*said, *vary))

    def _extended(self, request: Request, response: Response) -> Response:
        allowed = self._allowed(request)
        exposed = ((b"access-control-expose-headers", _EXPOSED),) if allowed else ()
        vary = () if self._any else ((b"vary", b"origin"),)  # also where it is none, for caches on the way
        return replace(response, headers=(*response.headers, *allowed, *exposed, *vary))

    async def _later(self, request: Request, answer: Awaitable[Response]) -> Response:
        return self._extended(request, await answer)

    def _allowed(self, request: Request) -> Headers:
        origin = request.headers.get(b"origin")
        if origin is None or not (self._any or origin in self._origins):
            return ()
        return ((b"access-control-allow-origin", b"*" if self._any else origin),)
