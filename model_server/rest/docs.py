"""The docs page: Swagger UI from an installed package, so that it works without a network."""

from functools import cache
from importlib.resources import files

from model_server.rest.http import Request, Response

ASSETS = {"swagger-ui-bundle.js": b"text/javascript", "swagger-ui.css": b"text/css"}

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


def page(_: Request) -> Response:
    return Response(200, _PAGE, b"text/html; charset=utf-8")


def asset(name: str) -> Response:
    return Response(200, _content(name), ASSETS[name])


@cache
def _content(name: str) -> bytes:
    return (files("fastapi_offline") / "static" / name).read_bytes()
