"""`/` for people: versions, their verdicts and reports, and a form to try an application. Machines get JSON there."""

from functools import cache, partial
from importlib.resources import files
from typing import Any

import msgspec

from model_server.admission import Pool
from model_server.codecs import plain
from model_server.codecs.records import Expected
from model_server.dataplane import DataPlane
from model_server.errors import NotFound, NotReady
from model_server.repository import Served
from model_server.rest.http import Headers, Request, Response, json_response, smaller
from model_server.settings import ServerSettings
from tabular_model.errors import RegistryError, VersionNotFound

ASSETS = {"page.js": b"text/javascript", "page.css": b"text/css"}
# A page of this server loads and asks nothing elsewhere, and stands in no other page.
_POLICY: Headers = (
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
)


class Page:
    """The page and what it asks for that no other endpoint has."""

    def __init__(self, dataplane: DataPlane, pool: Pool, settings: ServerSettings) -> None:
        self._dataplane = dataplane
        self._repository = dataplane.repository
        self._pool = pool
        self._max_bytes = settings.max_body_bytes

    def index(self, request: Request) -> Response:
        """HTML where that is asked for, as browsers do."""
        if b"text/html" not in request.headers.get(b"accept", b""):
            return json_response({"live": True}, headers=((b"vary", b"accept"),))
        return Response(200, _content("index.html"), b"text/html; charset=utf-8", (*_POLICY, (b"vary", b"accept")))

    def asset(self, name: str) -> Response:
        return Response(200, _content(name), ASSETS[name] + b"; charset=utf-8")

    async def versions(self, _: Request) -> Response:
        """Every version, the newest first, with its verdict and whether it serves by default."""
        return json_response(await self._pool.load(self._versions))

    async def report(self, request: Request, version: str) -> Response:
        """The version's own report."""
        page = await self._pool.load(partial(self._report, version))
        return smaller(request, Response(200, page, b"text/html; charset=utf-8", _POLICY))

    async def explain(self, request: Request) -> Response:
        """One application as `/predict` takes it, with the part of each column in its log-odds."""
        version = request.query("version")
        served = await self._pool.load(partial(self._repository.get, version))
        return json_response(await self._pool.run(partial(self._explained, request, served)))

    def _versions(self) -> dict[str, Any]:
        try:
            found = self._repository.described()
        except RegistryError as error:
            raise NotReady(str(error)) from error
        return {"model": self._repository.name, "versions": found}

    def _report(self, version: str) -> bytes:
        try:
            return self._repository.report(version)
        except VersionNotFound as error:
            raise NotFound(str(error)) from None
        except RegistryError as error:
            raise NotReady(str(error)) from error

    def _explained(self, request: Request, served: Served) -> dict[str, Any]:
        signature = served.signature
        expected = Expected(signature.columns, signature.words, signature.ignores_extra)
        call = plain.decode_one(request.content(self._max_bytes), expected, explain=True)
        explained = self._dataplane.explain(served, call)
        request.version = served.model.version
        answer: dict[str, Any] = msgspec.json.decode(plain.encode_one(explained.response))
        codes = answer.pop("reason_codes")
        texts = {reason.code: reason.text for column in signature.columns for reason in column.wordings()}
        return answer | {
            "reasons": [{"code": code, "text": texts[code]} for code in codes],
            "parts": [{"column": name, "part": part} for name, part in explained.parts],
        }


@cache
def _content(name: str) -> bytes:
    return (files("model_server.rest.ui") / name).read_bytes()
