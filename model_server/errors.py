"""The errors that a caller receives: one sentence, and its code in HTTP and in gRPC."""

from typing import ClassVar

from tabular_model.errors import ModelError


class ServeError(ModelError):
    """Base of all answers that are not a success; `grpc` is the name of a gRPC status."""

    http: ClassVar[int]
    grpc: ClassVar[str]

    def __init__(self, sentence: str) -> None:
        # What a caller sent may be in it, and a line of a log or of an answer ends at a line break.
        super().__init__("".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in sentence))


class InvalidInput(ServeError):
    """The request cannot be read, or is not valid for the endpoint or the version."""

    http, grpc = 400, "INVALID_ARGUMENT"


class InvalidRows(InvalidInput):
    """Rows that the version does not accept; `rows` are their indices, of the first of which the message speaks."""

    def __init__(self, sentence: str, rows: list[int]) -> None:
        super().__init__(sentence)
        self.rows = rows


class Unauthenticated(ServeError):
    """The endpoint requires a token, and the request has none or an unknown one."""

    http, grpc = 401, "UNAUTHENTICATED"


class Forbidden(ServeError):
    """The token is known, but its owner does not have the right that the endpoint requires."""

    http, grpc = 403, "PERMISSION_DENIED"


class NotFound(ServeError):
    """The URL, model, version, training or file was not found."""

    http, grpc = 404, "NOT_FOUND"


class MethodNotAllowed(ServeError):
    """The URL has endpoints, but none for this method; `allow` is the value of the header Allow."""

    http, grpc = 405, "UNIMPLEMENTED"

    def __init__(self, method: str, path: str, allowed: list[str]) -> None:
        self.allow = ", ".join(allowed)
        super().__init__(f"{path} does not support {method}; use {self.allow}.")


class Conflict(ServeError):
    """The registry rejects a promotion, or another training runs."""

    http, grpc = 409, "FAILED_PRECONDITION"


class TooLarge(ServeError):
    """A head, or a body as it came or unpacked, has more bytes than the server accepts."""

    http, grpc = 413, "RESOURCE_EXHAUSTED"


class TooSlow(ServeError):
    """The request's head did not arrive within `head_seconds`, or all of it within `body_seconds`."""

    http, grpc = 408, "DEADLINE_EXCEEDED"


class UrlTooLong(ServeError):
    """The URL has more than `URL_BYTES` of `overload.constants`."""

    http, grpc = 414, "INVALID_ARGUMENT"


class Unimplemented(ServeError):
    """The server has no such gRPC method, or the request is in a coding that it does not have."""

    http, grpc = 501, "UNIMPLEMENTED"


class UnsupportedMediaType(ServeError):
    """Content-Type is neither JSON nor binary tensors, or Content-Encoding is none that the server unpacks."""

    http, grpc = 415, "INVALID_ARGUMENT"


class ModelFailed(ServeError):
    """The model, or a gRPC call, failed by no fault of the caller; the server's log has the cause."""

    http, grpc = 500, "INTERNAL"


class TrainingFailed(ServeError):
    """A training failed, could not be started, or its status could not be read."""

    http, grpc = 500, "INTERNAL"


class NotReady(ServeError):
    """No version can be loaded now, or the registry, the cluster or another process gives no answer."""

    http, grpc = 503, "UNAVAILABLE"


class Overloaded(ServeError):
    """Rejected before processing, so that it can be sent again, here or elsewhere, after `retry_seconds`."""

    http, grpc = 503, "RESOURCE_EXHAUSTED"
    retry_seconds = 1

    def __init__(self, what: str = "The server is overloaded; retry in a second.") -> None:
        super().__init__(what)
