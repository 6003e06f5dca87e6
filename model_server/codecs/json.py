"""JSON that a caller sent, decoded straight into typed structs, with errors a caller can read."""

import re
from typing import TypeVar

import msgspec

from model_server.errors import InvalidInput

T = TypeVar("T")

Number = float | None
Value = float | bool | str | None

# V2 lets NaN stand for a missing value, and some clients write it into JSON, where it is no number.
_NAN = re.compile(rb'"(?:[^"\\]|\\.)*"|(-?Infinity)|NaN')


def decode(decoder: msgspec.json.Decoder[T], body: bytes, what: str) -> T:
    """`body` as the decoder's type; InvalidInput says where it is not. `what` names the body in the message."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{what} is not as expected: {_sentence(error)}") from None
    except RecursionError:
        raise InvalidInput(f"{what} is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        mended = _nan_to_null(body)
        if mended == body:
            raise InvalidInput(f"{what} is not valid JSON: {str(error).removeprefix('JSON is malformed: ')}.") from None
        return decode(decoder, mended, what)


def _sentence(error: msgspec.ValidationError) -> str:
    return str(error).replace("`$", "`").replace("`.", "`") + "."


def _nan_to_null(body: bytes) -> bytes:
    def mend(found: re.Match[bytes]) -> bytes:
        if found[1]:
            raise InvalidInput("Infinity is not a value; send a number, or null for a missing value.")
        return b"null" if found[0] == b"NaN" else found[0]

    return _NAN.sub(mend, body)
