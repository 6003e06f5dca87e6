"""Which pages of other origins may ask: none, unless the settings name them (Fetch standard, «CORS protocol»)."""

from collections.abc import Awaitable, Collection

from model_server.rest.http import Answer, Headers, Request, Response

ANY = "*"
_METHODS = b"GET, HEAD, POST"
_HEADERS = (
    b"authorization, content-type, content-encoding, inference-header-content-length, x-request-id, traceparent, "
    b"tracestate"
)
_EXPOSED = b"inference-header-content-length, x-loan-version, x-request-id, retry-after, location"
_SECONDS = b"600"  # for which a browser need not ask again


class Cors:
    """The headers that let a browser hand an answer to a page of one of these origins."""

    def __init__(self, origins: Collection[str]) -> None:
        self._any = ANY in origins
        self._origins = {origin.rstrip("/").encode() for origin in origins}

    def preflight(self, request: Request) -> Response | None:
        """The answer to a browser that asks whether it may ask; None for any other request."""
        if request.method != "OPTIONS" or b"access-control-request-method" not in request.headers:
            return None
        asked = ((b"access-control-allow-methods", _METHODS), (b"access-control-allow-headers", _HEADERS))
        allowed = self._allowed(request)
        vary = () if self._any else ((b"vary", b"origin"),)
        said = (*allowed, *asked, (b"access-control-max-age", _SECONDS)) if allowed else ()
        return Response(204, b"", headers=(*said, *vary))

    def answer(self, request: Request, answer: Answer) -> Answer:
        """The answer with the headers, at once or when it is there."""
        return self.extended(request, answer) if isinstance(answer, Response) else self._later(request, answer)

    def extended(self, request: Request, response: Response) -> Response:
        """The response with the headers."""
        allowed = self._allowed(request)
        exposed = ((b"access-control-expose-headers", _EXPOSED),) if allowed else ()
        vary = () if self._any else ((b"vary", b"origin"),)  # also where it is none, for caches on the way
        return response._replace(headers=(*response.headers, *allowed, *exposed, *vary))

    async def _later(self, request: Request, answer: Awaitable[Response]) -> Response:
        return self.extended(request, await answer)

    def _allowed(self, request: Request) -> Headers:
        origin = request.headers.get(b"origin")
        if origin is None or not (self._any or origin in self._origins):
            return ()
        return ((b"access-control-allow-origin", b"*" if self._any else origin),)
