"""The API's description, and its page: Swagger UI from an installed package, which works without a network."""

from collections.abc import Sequence
from functools import cache, partial
from importlib.resources import files
from typing import Any

from model_server.errors import NotFound, NotReady
from model_server.overload.threads import ThreadPools
from model_server.repository import ModelRepository
from model_server.rest import openapi
from model_server.rest.http import Response, json_response, smaller
from model_server.rest.routing import Call, Route

_ASSETS = {"swagger-ui-bundle.js": b"text/javascript", "swagger-ui.css": b"text/css"}

_PAGE = b"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>API</title><link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body>
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({url: "/openapi.json", dom_id: "#docs", deepLinking: true})</script>
</body>
</html>
"""


class Docs:
    """What describes the endpoints, for people and for machines."""

    def __init__(self, routes: Sequence[Route], repository: ModelRepository, pools: ThreadPools) -> None:
        self._routes = routes
        self._repository = repository
        self._pools = pools

    def page(self, _: Call) -> Response:
        """Swagger UI."""
        return Response(200, _PAGE, b"text/html; charset=utf-8")

    def asset(self, call: Call) -> Response:
        """A file that the page is made of."""
        name = call.names["file"]
        if name not in _ASSETS:
            raise NotFound(f"The docs page has no file {name}.")
        return smaller(call.request, Response(200, _content(name), _ASSETS[name]))

    async def openapi(self, call: Call) -> Response:
        """The description for the version asked for, else for the one that answers by default."""
        document = await self._pools.load(partial(self._document, call.parameter("version")))
        return smaller(call.request, json_response(document))

    def _document(self, version: str | None) -> dict[str, Any]:
        try:
            return openapi.document(self._routes, self._repository.get(version).model)
        except NotReady:
            return openapi.document(self._routes, None)


@cache
def _content(name: str) -> bytes:
    return (files("fastapi_offline") / "static" / name).read_bytes()
