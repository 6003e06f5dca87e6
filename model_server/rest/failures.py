"""What becomes of a request that fails: an answer for its caller, and a log line where the server is at fault."""

import structlog

from model_server.errors import ModelFailed, ServeError
from model_server.rest.http import Request, Response, error_response, json_response

log = structlog.get_logger(__name__)


def failure(request: Request, error: Exception, version: str = "") -> Response:
    """The answer to a request that failed by `version`, empty where none was reached."""
    if not isinstance(error, ServeError):
        _log("request failed", request, error)
        response = json_response({"error": "The server failed on this request; its log says why."}, 500)
    else:
        if isinstance(error, ModelFailed):
            _log("model failed", request, error.__cause__ or error, version=version)
        response = error_response(error)
    return response._replace(version=version)


def _log(event: str, request: Request, error: BaseException, **more: str) -> None:
    url, request_id = request.url.decode("latin-1"), request.id.decode("latin-1")
    log.error(event, url=url, request_id=request_id, exc_info=error, **more)
