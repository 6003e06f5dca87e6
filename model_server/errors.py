"""What a caller can be told: one sentence, and its code in HTTP and in gRPC."""

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
    http, grpc = 400, "INVALID_ARGUMENT"


class Unauthenticated(ServeError):
    http, grpc = 401, "UNAUTHENTICATED"


class Forbidden(ServeError):
    http, grpc = 403, "PERMISSION_DENIED"


class NotFound(ServeError):
    http, grpc = 404, "NOT_FOUND"


class MethodNotAllowed(ServeError):
    http, grpc = 405, "UNIMPLEMENTED"

    def __init__(self, method: str, path: str, allowed: list[str]) -> None:
        self.allow = ", ".join([*allowed, "HEAD"] if "GET" in allowed else allowed)
        super().__init__(f"{method} is not for {path}; use {self.allow}.")


class Conflict(ServeError):
    http, grpc = 409, "FAILED_PRECONDITION"


class TooLarge(ServeError):
    http, grpc = 413, "RESOURCE_EXHAUSTED"


class TooSlow(ServeError):
    http, grpc = 408, "DEADLINE_EXCEEDED"


class UrlTooLong(ServeError):
    http, grpc = 414, "INVALID_ARGUMENT"


class UnknownTransferCoding(ServeError):
    http, grpc = 501, "UNIMPLEMENTED"


class UnsupportedMediaType(ServeError):
    http, grpc = 415, "INVALID_ARGUMENT"


class ModelFailed(ServeError):
    http, grpc = 500, "INTERNAL"


class TrainingFailed(ServeError):
    http, grpc = 500, "INTERNAL"


class NotReady(ServeError):
    http, grpc = 503, "UNAVAILABLE"


class Overloaded(ServeError):
    """Refused before it was begun, so that it can be asked again, here or elsewhere, after `retry_seconds`."""

    http, grpc = 503, "RESOURCE_EXHAUSTED"
    retry_seconds = 1

    def __init__(self, what: str = "More is asked of this server than it can answer; ask again in a second.") -> None:
        super().__init__(what)
