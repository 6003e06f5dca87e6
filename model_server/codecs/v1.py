"""KServe's V1 protocol: `instances`, each an application as an object or as a row of values, to `predictions`."""

from typing import Any

import msgspec

from model_server.codecs import json
from model_server.codecs.records import Decoders, Expected, asked, check_records, from_records, read
from model_server.errors import InvalidInput
from model_server.tensors import InferRequest


class Instances(msgspec.Struct):
    """The body of a request to a model that takes numbers only."""

    instances: list[list[json.Number] | dict[str, json.Number]]


class TextualInstances(msgspec.Struct):
    """The same to a model that takes categories or booleans."""

    instances: list[list[json.Value] | dict[str, json.Value]]


_decoders = Decoders(msgspec.json.Decoder(Instances), msgspec.json.Decoder(TextualInstances))


def decode(body: bytes, expected: Expected, explain: bool) -> InferRequest:
    """The values of a row are in the order of the columns."""
    message = read(body, expected, _decoders, "The request", lambda found: _check(found, expected))
    return asked(from_records(_records(message.instances, expected), expected), explain)


def _check(message: Any, expected: Expected) -> None:
    """Of anything but an object with a list of instances the decoder says what it is."""
    instances = message.get("instances") if isinstance(message, dict) else None
    if isinstance(instances, list):
        check_records(_records(instances, expected), expected)


def _records(instances: list[Any], expected: Expected) -> list[dict[str, Any]]:
    names = [column.name for column in expected.columns]
    for number, instance in enumerate(instances):
        if isinstance(instance, list) and len(instance) != len(names):
            raise InvalidInput(
                f"Instance {number} has {len(instance)} values; send one for each of {', '.join(names)}, or an object."
            )
    return [dict(zip(names, each, strict=True)) if isinstance(each, list) else each for each in instances]
