"""A failed request: the response to its caller, and a log line if the server is at fault."""

from typing import TYPE_CHECKING

import structlog
from msgspec.structs import replace

from model_server.errors import ModelFailed, ServeError
from model_server.rest.http import Request, Response, error_response, json_response

if TYPE_CHECKING:
    from model_server.tracing.tracer import Trace

log = structlog.get_logger(__name__)


def failure(request: Request, error: Exception, trace: "Trace | None", version: str = "") -> Response:
    """The answer to a request that failed by `version`, empty where none was reached."""
    if not isinstance(error, ServeError):
        log.error("request failed", url=_url(request), exc_info=error, **request.log_fields(trace))
        response = json_response({"error": "The server failed on this request; its log has the cause."}, 500)
    else:
        if isinstance(error, ModelFailed):
            cause = error.__cause__ or error
            fields = request.log_fields(trace)
            log.error("model failed", url=_url(request), version=version, exc_info=cause, **fields)
        response = error_response(error)
    return replace(response, version=version)


def _url(request: Request) -> str:
    return request.url.decode("latin-1")
