"""V2 over REST: JSON, with tensors in it or behind it (the binary tensor data extension)."""

from typing import Any

import msgspec
import numpy as np

from model_server.codecs import json
from model_server.errors import InvalidInput
from model_server.tensors import NUMERIC, InferRequest, InferResponse, Output, Tensor, requested

JSON_LENGTH = "inference-header-content-length"


class Parameters(msgspec.Struct):
    explain: bool = False
    binary_data_output: bool = False


class TensorParameters(msgspec.Struct):
    binary_data_size: int | None = None


class OutputParameters(msgspec.Struct):
    binary_data: bool | None = None


class RequestInput(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    data: list[json.Number | list[json.Number]] | None = None
    parameters: TensorParameters | None = None


class RequestOutput(msgspec.Struct):
    name: str
    parameters: OutputParameters | None = None


class RequestBody(msgspec.Struct):
    """The JSON of an inference request."""

    inputs: list[RequestInput]
    id: str = ""
    parameters: Parameters | None = None
    outputs: list[RequestOutput] | None = None


class Call(msgspec.Struct):
    """A decoded request, and the outputs whose answer is to be binary."""

    request: InferRequest
    binary: frozenset[str]


_decoder = msgspec.json.Decoder(RequestBody)
_encoder = msgspec.json.Encoder()
_DEFAULTS = Parameters()
_NONE: frozenset[str] = frozenset()


def decode(body: bytes, json_length: str | None) -> Call:
    """`json_length` is the header that says where the JSON ends and the binary tensors begin."""
    head, tail = (body, memoryview(b"")) if json_length is None else _split(body, json_length)
    message = json.decode(_decoder, head, "The request")
    tensors = []
    offset = 0
    for item in message.inputs:
        size = item.parameters.binary_data_size if item.parameters else None
        if size is not None:
            tensors.append(_binary(item, size, tail[offset : offset + max(size, 0)]))
            offset += size
        elif item.data is None:
            raise InvalidInput(f"Input '{item.name}' has no data.")
        else:
            tensors.append(Tensor(item.name, item.datatype, item.shape, item.data))
    if offset != len(tail):
        raise InvalidInput(f"The request has {len(tail)} bytes of binary tensors, but its inputs name {offset}.")
    parameters = message.parameters or _DEFAULTS
    outputs = message.outputs or []
    names = requested([output.name for output in outputs], parameters.explain)
    return Call(InferRequest(message.id, tensors, names), _binary_outputs(outputs, names, parameters))


def encode(model: str, response: InferResponse, binary: frozenset[str]) -> tuple[bytes, int | None]:
    """The body, and the length of its JSON part where binary tensors follow it."""
    blobs = []
    outputs = []
    for output in response.outputs:
        item: dict[str, Any] = {"name": output.name, "datatype": output.datatype, "shape": output.shape}
        if output.name in binary:
            blobs.append(_blob(output))
            item["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            item["data"] = elements(output)
        outputs.append(item)
    message: dict[str, Any] = {"model_name": model, "model_version": response.model_version}
    if response.id:
        message["id"] = response.id
    message["outputs"] = outputs
    head = _encoder.encode(message)
    return (b"".join([head, *blobs]), len(head)) if blobs else (head, None)


def _split(body: bytes, json_length: str) -> tuple[bytes, memoryview]:
    if not json_length.isdecimal() or int(json_length) > len(body):
        raise InvalidInput(
            f"Header Inference-Header-Content-Length is '{json_length}', but the body has {len(body)} bytes."
        )
    length = int(json_length)
    return body[:length], memoryview(body)[length:]


def _binary(item: RequestInput, size: int, content: memoryview) -> Tensor:
    dtype = NUMERIC.get(item.datatype)
    if dtype is None:
        return Tensor(item.name, item.datatype, item.shape, [])
    if len(content) != size or size % dtype.itemsize:
        raise InvalidInput(
            f"Input '{item.name}' names {size} bytes of {item.datatype}, but {len(content)} came; it is truncated "
            f"or not a multiple of {dtype.itemsize}."
        )
    return Tensor(item.name, item.datatype, item.shape, np.frombuffer(content, dtype))


def _binary_outputs(outputs: list[RequestOutput], names: tuple[str, ...], parameters: Parameters) -> frozenset[str]:
    if not outputs:  # as nearly always
        return frozenset(names) if parameters.binary_data_output else _NONE
    chosen = {output.name: output.parameters.binary_data for output in outputs if output.parameters}
    return frozenset(
        name for name in names if (parameters.binary_data_output if chosen.get(name) is None else chosen[name])
    )


def elements(output: Output) -> list[Any]:
    """The values of an output as one flat list."""
    if output.datatype == "BYTES":
        return [text for row in output.values for text in row]
    return list(output.values.tolist())


def _blob(output: Output) -> bytes:
    if output.datatype == "BYTES":
        return length_prefixed([text.encode() for text in elements(output)])
    blob: bytes = output.values.tobytes()
    return blob


def length_prefixed(elements: list[bytes]) -> bytes:
    """BYTES elements as the protocol packs them: each behind its length in four little-endian bytes."""
    return b"".join(len(element).to_bytes(4, "little") + element for element in elements)
