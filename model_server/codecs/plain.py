"""The plain JSON API: applications as objects, or as columns."""

from collections.abc import Callable
from typing import Any

import msgspec

from model_server.codecs import json
from model_server.codecs.records import (
    DATATYPES,
    Decoders,
    Expected,
    asked,
    check_batch,
    check_records,
    check_repeated,
    from_records,
    read,
)
from model_server.tensors import STANDARD_ERROR, InferRequest, InferResponse, Tensor

Record = dict[str, json.Number]
Columns = dict[str, list[json.Number]]
TextualRecord = dict[str, json.Value]
TextualColumns = dict[str, list[json.Value]]

Decode = Callable[[bytes, Expected, bool], InferRequest]
Encode = Callable[[InferResponse], bytes]

_one = Decoders(msgspec.json.Decoder(Record), msgspec.json.Decoder(TextualRecord))
_many = Decoders(
    msgspec.json.Decoder(list[Record] | Columns), msgspec.json.Decoder(list[TextualRecord] | TextualColumns)
)
_encoder = msgspec.json.Encoder()


def decode_one(body: bytes, expected: Expected, explain: bool) -> InferRequest:
    """The request of one object with a field for each column; InvalidInput names a field that does not fit."""
    record = read(body, expected, _one, "The application", lambda found: check_records([found], expected))
    check_repeated(body, [record])
    return asked(from_records([record], expected), explain)


def decode_batch(body: bytes, expected: Expected, explain: bool) -> InferRequest:
    """An array of objects, or one object of equally long arrays."""
    batch = read(body, expected, _many, "The batch", lambda found: check_batch(found, expected))
    check_repeated(body, [batch] if isinstance(batch, dict) else batch)
    if not isinstance(batch, dict):
        return asked(from_records(batch, expected), explain)
    datatypes = {column.name: DATATYPES[column.type] for column in expected.columns} | {expected.id: "BYTES"}
    tensors = [Tensor(name, datatypes.get(name, "FP64"), [len(values)], values) for name, values in batch.items()]
    return asked(tensors, explain)


def encode_one(response: InferResponse) -> bytes:
    """The JSON of `answer_of_one`."""
    return _encoder.encode(answer_of_one(response))


def answer_of_one(response: InferResponse) -> dict[str, Any]:
    """The answer for a response of one row; `reason_codes` are there where they were asked for, without empty ones."""
    probability, decision, *reasons = response.outputs
    answer: dict[str, Any] = {
        "prediction": int(decision.values[0]),
        "probability": float(probability.values[0]),
    }
    if reasons:
        answer["reason_codes"] = [code for code in reasons[0].values[0] if code]
    return answer | _about(response)


def encode_batch(response: InferResponse) -> bytes:
    """The same fields as for one row, as arrays with an entry for each row, in the order of the request."""
    probability, decision, *reasons = response.outputs
    answer: dict[str, Any] = {
        "predictions": decision.values.tolist(),
        "probabilities": probability.values.tolist(),
    }
    if reasons:
        answer["reason_codes"] = [[code for code in row if code] for row in reasons[0].values]
    return _encoder.encode(answer | _about(response))


def _about(response: InferResponse) -> dict[str, Any]:
    sure = {} if response.standard_error is None else {STANDARD_ERROR: response.standard_error}
    return sure | {"model_version": response.model_version}
