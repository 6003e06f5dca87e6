"""V2 over REST: JSON, with tensors in it or behind it (the binary tensor data extension)."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from model_server.codecs import json
from model_server.codecs.elements import elements, length_prefixed, texts
from model_server.errors import InvalidInput
from model_server.overload.constants import LENGTH_DIGITS
from model_server.tensors import FIXED_SIZE, STANDARD_ERROR, InferRequest, InferResponse, Output, Tensor, requested

JSON_LENGTH = b"inference-header-content-length"


class Parameters(msgspec.Struct):
    """Parameters of a request: `explain` asks for reason codes too, `binary_data_output` for all outputs as binary."""

    explain: bool | None = None
    binary_data_output: bool | None = None


class TensorParameters(msgspec.Struct):
    """Parameters of an input: `binary_data_size` is its bytes behind the JSON, null where its values are in `data`."""

    binary_data_size: int | None = None
    shared_memory_region: Any = None


class OutputParameters(msgspec.Struct):
    """Parameters of an output: `binary_data` goes before the request's `binary_data_output`; the others are refused."""

    binary_data: bool | None = None
    shared_memory_region: Any = None
    classification: Any = None


class TextualInput(Tensor):
    """An input of a model that takes categories or booleans."""

    shape: list[int]
    values: Sequence[json.Value | Sequence[json.Value]] | None = msgspec.field(name="data", default=None)
    parameters: TensorParameters | None = None


class RequestInput(TextualInput):
    """An input of a model that takes numbers only."""

    values: Sequence[json.Number | Sequence[json.Number]] | None = msgspec.field(name="data", default=None)


class RequestOutput(msgspec.Struct):
    """An output that is asked for by its name: `probability`, `decision` or `reason_codes`."""

    name: str
    parameters: OutputParameters | None = None


class TextualBody(msgspec.Struct):
    """The JSON of an inference request to a model that takes categories or booleans."""

    inputs: Sequence[TextualInput]
    id: str | None = None
    parameters: Parameters | None = None
    outputs: list[RequestOutput] | None = None


class RequestBody(TextualBody):
    """The JSON of an inference request to a model that takes numbers only."""

    inputs: Sequence[RequestInput]


_decoder = msgspec.json.Decoder(RequestBody)
_textual_decoder = msgspec.json.Decoder(TextualBody)
_encoder = msgspec.json.Encoder()
_DEFAULTS = Parameters()
_NONE: frozenset[str] = frozenset()


def decode(body: bytes, json_length: str | None, words: bool = False) -> tuple[InferRequest, frozenset[str]]:
    """The request, and the outputs whose answer is to be binary.

    `json_length` is the header that says where the JSON ends and the binary tensors begin.

    `words` says that the model takes categories or booleans; others are asked with numbers only.
    """
    head, tail = (body, memoryview(b"")) if json_length is None else _split(body, json_length)
    message = _message(head, words, "The request" if json_length is None else f"The request's first {len(head)} bytes")
    tensors: list[Tensor] = list(message.inputs)
    offset = 0
    for place, item in enumerate(message.inputs):
        size = item.parameters.binary_data_size if item.parameters else None
        if size is not None:
            if item.values is not None:
                raise InvalidInput(f"Input '{item.name}' has both data and binary_data_size; send one of them.")
            tensors[place] = _binary(item, size, tail[offset : offset + max(size, 0)])
            offset += size
        elif item.values is None:
            _check_memory(item)
            raise InvalidInput(f"Input '{item.name}' has no data.")
    if offset != len(tail):
        raise InvalidInput(f"The request has {len(tail)} bytes of binary tensors, but its inputs name {offset}.")
    parameters = message.parameters or _DEFAULTS
    outputs = message.outputs or []
    for output in outputs:
        if output.parameters:
            _check_asked(output.name, output.parameters)
    names = requested([output.name for output in outputs], bool(parameters.explain))
    return InferRequest(message.id or "", tensors, names), _binary_outputs(outputs, names, parameters)


def _message(head: bytes, words: bool, what: str) -> TextualBody:
    if words:
        return json.decode(_textual_decoder, head, what)
    try:
        return json.decode(_decoder, head, what)
    except json.Malformed as error:
        # Read again with any values: to take truths, or to name the input whose values are no numbers.
        try:
            message = json.decode(_textual_decoder, head, what)
        except json.Malformed:
            raise error from None
        for place, item in enumerate(message.inputs):
            item.values = _numbers(item, place)
        return message


def _numbers(item: TextualInput, place: int) -> Any:
    """The values of an input of numbers; of a BOOL one, truths as 0 and 1."""
    truths = item.datatype == "BOOL"

    def number(value: Any, at: str) -> Any:
        if isinstance(value, list):
            return [number(each, f"{at}[{index}]") for index, each in enumerate(value)]
        if isinstance(value, str) or (isinstance(value, bool) and not truths):
            raise InvalidInput(
                f"Input '{item.name}' contains {value!r} at `{at}`, {json.kind(value)}; expected numbers, "
                "or null for a missing value."
            )
        return float(value) if isinstance(value, bool) else value

    return None if item.values is None else number(item.values, f"inputs[{place}].data")


def _check_memory(item: TextualInput) -> None:
    if item.parameters and item.parameters.shared_memory_region is not None:
        raise InvalidInput(
            f"Input '{item.name}' names a shared memory region; this server accepts data only in the request."
        )


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
    if response.standard_error is not None:
        message["parameters"] = {STANDARD_ERROR: response.standard_error}
    message["outputs"] = outputs
    head = _encoder.encode(message)
    return (b"".join([head, *blobs]), len(head)) if blobs else (head, None)


def _split(body: bytes, json_length: str) -> tuple[bytes, memoryview]:
    digits = json_length.lstrip("0") or "0"
    is_length = json_length.isascii() and json_length.isdecimal() and len(digits) <= LENGTH_DIGITS
    if not is_length or int(digits) > len(body):
        shown = json_length if len(json_length) <= 2 * LENGTH_DIGITS else f"{json_length[:LENGTH_DIGITS]}…"
        raise InvalidInput(f"Header Inference-Header-Content-Length is '{shown}', but the body has {len(body)} bytes.")
    length = int(digits)
    return body[:length], memoryview(body)[length:]


def _binary(item: TextualInput, size: int, content: memoryview) -> Tensor:
    if item.datatype == "BYTES" and len(content) == size:
        return Tensor(item.name, item.datatype, item.shape, texts(item.name, bytes(content)))
    dtype = FIXED_SIZE.get(item.datatype)
    if dtype is None:
        return Tensor(item.name, item.datatype, item.shape, [])
    if len(content) != size or size % dtype.itemsize:
        raise InvalidInput(
            f"Input '{item.name}' names {size} bytes of {item.datatype}, but {len(content)} were received; it is "
            f"truncated or not a multiple of {dtype.itemsize}."
        )
    return Tensor(item.name, item.datatype, item.shape, np.frombuffer(content, dtype))


def _binary_outputs(outputs: list[RequestOutput], names: tuple[str, ...], parameters: Parameters) -> frozenset[str]:
    if not outputs:  # as nearly always
        return frozenset(names) if parameters.binary_data_output else _NONE
    chosen = {output.name: output.parameters.binary_data for output in outputs if output.parameters}
    return frozenset(
        name for name in names if (parameters.binary_data_output if chosen.get(name) is None else chosen[name])
    )


def _check_asked(name: str, parameters: OutputParameters) -> None:
    if parameters.shared_memory_region is not None:
        raise InvalidInput(
            f"Output '{name}' names a shared memory region; this server returns data only in the response."
        )
    if parameters.classification is not None:
        raise InvalidInput(f"Output '{name}' requests a classification; request the output decision instead.")


def _blob(output: Output) -> bytes:
    if output.datatype == "BYTES":
        return length_prefixed([text.encode() for text in elements(output)])
    blob: bytes = output.values.tobytes()
    return blob
