"""Applications as objects, a field for each column: their tensors, and what is wrong with which of them."""

import json as standard
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from model_server.codecs import json
from model_server.errors import InvalidInput
from model_server.tensors import DEFAULT_OUTPUTS, InferRequest, Tensor, requested
from tabular_model.schema import Column


class Expected(NamedTuple):
    """What a version accepts: its columns, whether some are not numbers, and whether other fields are ignored.

    `id` is the field by which a caller may name an application, empty where the version declares none.
    """

    columns: tuple[Column, ...]
    words: bool
    ignores_extra: bool
    id: str = ""


_anything = msgspec.json.Decoder()
DATATYPES = {"number": "FP64", "integer": "FP64", "boolean": "BOOL", "category": "BYTES"}


class Decoders(NamedTuple):
    """Of a body to a model that takes numbers only, and to one that takes categories or booleans too."""

    numbers: msgspec.json.Decoder[Any]
    words: msgspec.json.Decoder[Any]


def read(body: bytes, expected: Expected, decoders: Decoders, what: str, check: Callable[[Any], None]) -> Any:
    """The decoded body; `check` says of what is not as expected which application and field it is."""
    try:
        return json.decode(decoders.words if expected.words else decoders.numbers, body, what)
    except json.Malformed:
        check(json.decode(_anything, body, what))
        return json.decode(decoders.words, body, what)  # it has truths for zeros and ones


def asked(tensors: list[Tensor], explain: bool) -> InferRequest:
    """What a request without names of outputs asks for."""
    return InferRequest("", tensors, requested(DEFAULT_OUTPUTS, explain))


def from_records(records: Sequence[dict[str, Any]], expected: Expected) -> list[Tensor]:
    """A tensor for each column, and for the id if one was sent.

    InvalidInput for a field that is not known, or not there and not optional.
    """
    names = {column.name for column in expected.columns}
    for row, record in enumerate(records):
        if record.keys() != names:
            check_fields(row, record, expected)
    tensors = [
        Tensor(column.name, DATATYPES[column.type], [len(records)], [record.get(column.name) for record in records])
        for column in expected.columns
    ]
    if expected.id and any(expected.id in record for record in records):
        tensors.append(Tensor(expected.id, "BYTES", [len(records)], [record.get(expected.id) for record in records]))
    return tensors


def check_fields(row: int, record: dict[str, Any], expected: Expected) -> None:
    """InvalidInput for a field that is not known, or not there and not optional."""
    names = [column.name for column in expected.columns]
    unknown = next((name for name in record if name not in names and name != expected.id), None)
    if unknown is not None and not expected.ignores_extra:
        raise InvalidInput(f"Application {row} has the unknown field '{unknown}'; the fields are {', '.join(names)}.")
    absent = next((c.name for c in expected.columns if c.name not in record and not c.optional), None)
    if absent is not None:
        raise InvalidInput(
            f"Application {row} does not have the field '{absent}'; send null for a value that is not known."
        )


def check_records(records: Any, expected: Expected) -> None:
    """InvalidInput names the application and field whose value is not of its type; nothing if all are."""
    if not isinstance(records, list):
        raise InvalidInput(f"A batch is an array of applications, not {json.kind(records)}.")
    for row, record in enumerate(records):
        if not isinstance(record, dict):
            raise InvalidInput(
                f"Application {row} is {json.kind(record)}; send an object with a field for each column."
            )
        check_fields(row, record, expected)
        for column in expected.columns:
            _check_value(f"Application {row}, field '{column.name}'", record.get(column.name), column)


def check_batch(batch: Any, expected: Expected) -> None:
    """The same for an array of applications, or an object with an array for each column."""
    _check_columns(batch, expected) if isinstance(batch, dict) else check_records(batch, expected)


def _check_columns(columns: dict[str, Any], expected: Expected) -> None:
    known = {column.name: column for column in expected.columns}
    if all(name in known and not isinstance(values, list | dict) for name, values in columns.items()):
        raise InvalidInput("A batch is an array of applications, or an object of arrays; this is one application.")
    for name, values in columns.items():
        if name not in known:
            continue
        if isinstance(values, dict):
            raise InvalidInput(
                f"Field '{name}' is an object with a value for each row, as pandas writes it with orient=\"columns\"; "
                'send an array of applications (orient="records"), or an array for each field (orient="list").'
            )
        if not isinstance(values, list):
            raise InvalidInput(
                f"Field '{name}' is {json.kind(values)}; send an array with a value for each application."
            )
        for row, value in enumerate(values):
            _check_value(f"Field '{name}', application {row}", value, known[name])


def check_repeated(body: bytes, records: Sequence[dict[str, Any]]) -> None:
    """InvalidInput for a field that occurs twice in one application, of which decoding keeps only the last."""
    # As many colons as fields: then none is repeated. There are more also where a text holds one.
    if body.count(b":") > sum(map(len, records)):
        standard.loads(body, object_pairs_hook=_unrepeated)


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    counts = Counter(name for name, _ in pairs)
    repeated = next((name for name, count in counts.items() if count > 1), None)
    if repeated is not None:
        raise InvalidInput(f"The field '{repeated}' occurs twice in one application; send it once.")
    return dict(pairs)


def _check_value(where: str, value: Any, column: Column) -> None:
    known: tuple[type, ...] = (str,) if column.type == "category" else (int, float)
    takes_truths = column.type == "boolean" or column.flag
    fits = isinstance(value, known) and not isinstance(value, bool)
    if value is None or fits or (isinstance(value, bool) and takes_truths):
        return
    null = ", or null" if column.missing else ""
    raise InvalidInput(f"{where} is {_shown(value)}, {json.kind(value)}; expected {column.expected()}{null}.")


def _shown(value: Any) -> str:
    text = standard.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:40]}…"
