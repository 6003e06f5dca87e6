"""KServe's V1 protocol: `instances`, each an application as an object or as a row of values, to `predictions`."""

from typing import Any

import msgspec

from model_server.codecs import json
from model_server.codecs.records import Expected, asked, check_records, from_records
from model_server.errors import InvalidInput
from model_server.tensors import InferRequest


class Instances(msgspec.Struct):
    """The body of a request to a model that takes numbers only."""

    instances: list[list[json.Number] | dict[str, json.Number]]


class TextualInstances(msgspec.Struct):
    """The same to a model that takes categories or booleans."""

    instances: list[list[json.Value] | dict[str, json.Value]]


class _Anything(msgspec.Struct):
    instances: list[Any]


_decoder = msgspec.json.Decoder(Instances)
_textual_decoder = msgspec.json.Decoder(TextualInstances)
_anything = msgspec.json.Decoder(_Anything)


def decode(body: bytes, expected: Expected, explain: bool) -> InferRequest:
    """The values of a row stand in the order of the columns."""
    decoder: msgspec.json.Decoder[Any] = _textual_decoder if expected.words else _decoder
    try:
        message = json.decode(decoder, body, "The request")
    except json.Malformed:
        found = json.decode(_anything, body, "The request")
        check_records(_records(found.instances, expected), expected)
        message = json.decode(_textual_decoder, body, "The request")  # it has truths for zeros and ones
    return asked(from_records(_records(message.instances, expected), expected), explain)


def _records(instances: list[Any], expected: Expected) -> list[dict[str, Any]]:
    names = [column.name for column in expected.columns]
    for number, instance in enumerate(instances):
        if isinstance(instance, list) and len(instance) != len(names):
            raise InvalidInput(
                f"Instance {number} has {len(instance)} values; send one for each of {', '.join(names)}, or an object."
            )
    return [dict(zip(names, each, strict=True)) if isinstance(each, list) else each for each in instances]
