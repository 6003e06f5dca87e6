"""The plain JSON API: applications as objects, or as columns."""

from collections.abc import Callable
from typing import Any

import msgspec

from loan_model.schema import Column
from model_server.codecs import json
from model_server.errors import InvalidInput
from model_server.tensors import DEFAULT_OUTPUTS, InferRequest, InferResponse, Tensor, requested

Record = dict[str, json.Number]
Columns = dict[str, list[json.Number]]

Decode = Callable[[bytes, tuple[Column, ...], bool], InferRequest]
Encode = Callable[[InferResponse], bytes]

_record = msgspec.json.Decoder(Record)
_batch = msgspec.json.Decoder(list[Record] | Columns)
_encoder = msgspec.json.Encoder()


def decode_one(body: bytes, columns: tuple[Column, ...], explain: bool) -> InferRequest:
    return _request(_from_records([json.decode(_record, body, "The application")], columns), explain)


def decode_batch(body: bytes, columns: tuple[Column, ...], explain: bool) -> InferRequest:
    """An array of objects, or one object of equally long arrays."""
    batch = json.decode(_batch, body, "The batch")
    if isinstance(batch, dict):
        tensors = [Tensor(name, "FP64", [len(values)], values) for name, values in batch.items()]
    else:
        tensors = _from_records(batch, columns)
    return _request(tensors, explain)


def encode_one(response: InferResponse) -> bytes:
    probability, decision, *reasons = response.outputs
    answer: dict[str, Any] = {
        "prediction": int(decision.values[0]),
        "probability": float(probability.values[0]),
    }
    if reasons:
        answer["reason_codes"] = [code for code in reasons[0].values[0] if code]
    return _encoder.encode(answer | {"model_version": response.model_version})


def encode_batch(response: InferResponse) -> bytes:
    probability, decision, *reasons = response.outputs
    answer: dict[str, Any] = {
        "predictions": decision.values.tolist(),
        "probabilities": probability.values.tolist(),
    }
    if reasons:
        answer["reason_codes"] = [[code for code in row if code] for row in reasons[0].values]
    return _encoder.encode(answer | {"model_version": response.model_version})


def _from_records(records: list[Record], columns: tuple[Column, ...]) -> list[Tensor]:
    names = [column.name for column in columns]
    for row, record in enumerate(records):
        if record.keys() != set(names):
            raise InvalidInput(_mismatch(row, record, names))
    return [Tensor(name, "FP64", [len(records)], [record[name] for record in records]) for name in names]


def _mismatch(row: int, record: Record, names: list[str]) -> str:
    unknown = [name for name in record if name not in names]
    if unknown:
        return f"Application {row} has the unknown field '{unknown[0]}'; the fields are {', '.join(names)}."
    absent = next(name for name in names if name not in record)
    return f"Application {row} lacks the field '{absent}'; send null for a value that is not known."


def _request(tensors: list[Tensor], explain: bool) -> InferRequest:
    return InferRequest("", tensors, requested(DEFAULT_OUTPUTS, explain))
