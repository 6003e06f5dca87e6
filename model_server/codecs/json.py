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
# Escapes one after the other: whole surrogate pairs, halves of them, and others.
_ESCAPES = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.", re.DOTALL)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


class Malformed(InvalidInput):
    """JSON that cannot be decoded as what was expected."""


def decode(decoder: msgspec.json.Decoder[T], body: bytes, what: str) -> T:
    """`body` as the decoder's type; Malformed says where it is not. `what` names the body in the message."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Malformed(f"{what} cannot be used: {sentence(str(error))}.") from None
    except RecursionError:
        raise Malformed(f"{what} cannot be read: it is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        mended = _nan_to_null(body.removeprefix(_BYTE_ORDER_MARK))
        if mended == body:
            raise Malformed(f"{what} cannot be read: it is not valid JSON: {_malformed(error, body)}.") from None
        return decode(decoder, mended, what)


def kind(value: object) -> str:
    """What a decoded value is, in words."""
    names = {bool: "bool", int: "int", float: "float", str: "str", list: "array", dict: "object", type(None): "null"}
    return _WORDS[names[type(value)]]


def sentence(said: str) -> str:
    """An error of msgspec in the words of an engineer."""
    what, _, where = said.partition(" - at ")
    place = where.strip("`").removeprefix("$").removeprefix(".")
    if found := re.fullmatch(r"Expected `([^`]+)`, got `([^`]+)`", what):
        expected, came = (_in_words(types) for types in found.groups())
        return f"{f'`{place}`' if place else 'it'} must be {expected}, not {came}"
    if found := re.fullmatch(r"Object (missing required|contains unknown) field `([^`]+)`", what):
        verb = "lacks" if found[1].startswith("missing") else "has the unknown"
        return f"{f'`{place}`' if place else 'it'} {verb} field `{found[2]}`"
    return f"`{place}`: {what[0].lower()}{what[1:]}" if place else f"{what[0].lower()}{what[1:]}"


def _malformed(error: Exception, body: bytes) -> str:
    """Why it is no JSON; near a body's end msgspec takes half of a surrogate pair for a body that is cut off."""
    halves = (found.start() for found in _ESCAPES.finditer(body) if found[1])
    half = next(halves, None) if "truncated" in str(error) else None
    return str(error).removeprefix("JSON is malformed: ") if half is None else f"half a surrogate pair (byte {half})"


def _in_words(types: str) -> str:
    return " or ".join(_WORDS.get(each, each) for each in types.split(" | "))


def _nan_to_null(body: bytes) -> bytes:
    def mend(found: re.Match[bytes]) -> bytes:
        if found[1]:
            raise InvalidInput("Infinity is not a value; send a number, or null for a missing value.")
        return b"null" if found[0] == b"NaN" else found[0]

    return _NAN.sub(mend, body)
