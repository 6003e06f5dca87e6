"""What a request's head must be, whatever its body and its endpoint."""

from collections.abc import Mapping

from model_server.errors import InvalidInput, ServeError, TooLarge, Unimplemented
from model_server.overload.constants import LENGTH_DIGITS

ONCE = frozenset({b"host", b"authorization"})  # headers that may stand once only


def wrong_head(headers: Mapping[bytes, bytes], twice: bytes, http: str, limit: int) -> ServeError | None:
    """Why a request with these headers is refused, None if it is not.

    `twice` is a header that stood twice though it may not, `http` the version as in `1.1`, `limit` the bytes that a
    body may have.
    """
    announced = headers.get(b"content-length", b"0")
    if len(announced) > LENGTH_DIGITS:
        announced = announced.lstrip(b"0")[: LENGTH_DIGITS + 1] or b"0"
    if int(announced) > limit:
        return TooLarge(f"The body has {announced.decode()} bytes; this server accepts at most {limit}.")
    if twice:
        return InvalidInput(f"The header {twice.decode()} occurs twice; send it once.")
    if b"host" not in headers and http != "1.0":
        return InvalidInput("The request has no Host header, which HTTP/1.1 requires.")
    coding = headers.get(b"transfer-encoding", b"chunked")
    if coding.strip().lower() != b"chunked":
        shown = coding.decode("latin-1")
        return Unimplemented(f"Transfer-Encoding is '{shown}'; send chunked alone, or a Content-Length.")
    return None


def repeated(name: bytes, first: bytes, second: bytes) -> bytes:
    """The value of a repeated header: lists are joined, two traces count as none, of others the last counts."""
    return {b"tracestate": first + b"," + second, b"traceparent": b""}.get(name, second)
