"""`/` for people: versions, their verdicts and reports, and a form to try an application. Machines get JSON there."""

from functools import cache, partial
from importlib.resources import files

from model_server.codecs import plain
from model_server.errors import NotFound
from model_server.overload.threads import ThreadPools
from model_server.predictions import Decoded, Predictions
from model_server.repository import ModelRepository, Served
from model_server.rest.applications import expected
from model_server.rest.http import Answer, Headers, Response, json_response, smaller
from model_server.rest.routing import Call
from model_server.tensors import InferResponse

_ASSETS = {"page.js": b"text/javascript", "page.css": b"text/css"}
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

    def __init__(self, repository: ModelRepository, predictions: Predictions, pools: ThreadPools) -> None:
        self._repository = repository
        self._predictions = predictions
        self._pools = pools

    def index(self, call: Call) -> Response:
        """HTML where that is asked for, as browsers do."""
        if b"text/html" not in call.request.headers.get(b"accept", b""):
            return json_response({"live": True}, headers=((b"vary", b"accept"),))
        return Response(200, _content("index.html"), b"text/html; charset=utf-8", (*_POLICY, (b"vary", b"accept")))

    def asset(self, call: Call) -> Response:
        """A file that the page is made of."""
        name = call.names["file"]
        if name not in _ASSETS:
            raise NotFound(f"The page has no file {name}.")
        return smaller(call.request, Response(200, _content(name), _ASSETS[name] + b"; charset=utf-8"))

    async def versions(self, _: Call) -> Response:
        """Every version, the newest first, with its verdict and whether it serves by default."""
        found = await self._pools.load(self._repository.described)
        return json_response({"model": self._repository.name, "versions": found})

    async def report(self, call: Call) -> Response:
        """The version's own report."""
        page = await self._pools.load(partial(self._repository.report, call.names["version"]))
        return smaller(call.request, Response(200, page, b"text/html; charset=utf-8", _POLICY))

    def explain(self, call: Call) -> Answer:
        """One application as in `/predict`, with each column's contribution, those that lowered the score first."""
        return self._predictions.answer(call, call.parameter("version"), _explaining)


def _explaining(call: Call, served: Served) -> Decoded[Response]:
    request = plain.decode_one(call.request.content(), expected(served), True)
    return request, partial(_explained, served)


def _explained(served: Served, response: InferResponse) -> Response:
    answer = plain.answer_of_one(response)
    columns = served.model.columns
    texts = {reason.code: reason.text for column in columns for reason in column.wordings()}
    parts = zip((column.name for column in columns), response.reasons.parts[0].tolist(), strict=True)  # type: ignore[union-attr]
    answer["reasons"] = [{"code": code, "text": texts[code]} for code in answer.pop("reason_codes")]
    answer["parts"] = [{"column": name, "part": part} for name, part in sorted(parts, key=lambda each: each[1])]
    return json_response(answer)


@cache
def _content(name: str) -> bytes:
    return (files("model_server.rest.ui") / name).read_bytes()
