"""A failed request: what its caller is told, and a log line if the server is at fault."""

from collections.abc import Callable

import structlog

from model_server.errors import ModelFailed, ServeError

log = structlog.get_logger(__name__)


def told(error: Exception, event: str, version: str, log_fields: Callable[[], dict[str, str]]) -> ServeError:
    """The error for the caller of a request that failed by `version`, empty where none was reached.

    `event` names a failure that is none of `ServeError` in the log; `log_fields` say which request it is about.
    """
    if not isinstance(error, ServeError):
        log.error(event, exc_info=error, **log_fields())
        return ModelFailed("The server failed on this request; its log has the cause.")
    if isinstance(error, ModelFailed):
        log.error("model failed", version=version, exc_info=error.__cause__ or error, **log_fields())
    return error
