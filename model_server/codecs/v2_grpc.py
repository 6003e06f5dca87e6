"""V2 over gRPC: protobuf messages to tensors and back, contents typed or raw."""

from typing import Any

import numpy as np

from model_server.codecs.elements import elements, length_prefixed, text, texts
from model_server.errors import InvalidInput
from model_server.grpc.v2_pb import pb
from model_server.tensors import FIXED_SIZE, STANDARD_ERROR, InferRequest, InferResponse, Tensor, requested

_CONTENTS = {
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BOOL": "bool_contents",
    "BYTES": "bytes_contents",
}


def decode(message: Any) -> InferRequest:
    """The tensors of a ModelInferRequest; InvalidInput where their contents do not fit their datatypes.

    That a tensor fits its shape and the model is checked by `Signature`.
    """
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise InvalidInput(f"The request has {len(message.inputs)} inputs but {len(raw)} raw contents.")
    if raw:
        tensors = [_raw(item, content) for item, content in zip(message.inputs, raw, strict=True)]
    else:
        tensors = [_typed(item) for item in message.inputs]
    explain = message.parameters["explain"].bool_param if "explain" in message.parameters else False
    return InferRequest(message.id, tensors, requested([output.name for output in message.outputs], explain))


def encode(model: str, response: InferResponse, raw: bool) -> Any:
    """`raw` puts the values into raw contents: the answer takes the form of the question."""
    message = pb.ModelInferResponse(model_name=model, model_version=response.model_version, id=response.id)
    if response.standard_error is not None:
        # KServe's clients know no parameters that are numbers, but for whole ones.
        message.parameters[STANDARD_ERROR].string_param = repr(response.standard_error)
    for output in response.outputs:
        item = message.outputs.add(name=output.name, datatype=output.datatype, shape=output.shape)
        if output.datatype == "BYTES":
            texts = [text.encode() for text in elements(output)]
            if raw:
                message.raw_output_contents.append(length_prefixed(texts))
            else:
                item.contents.bytes_contents.extend(texts)
        elif raw:
            message.raw_output_contents.append(output.values.tobytes())
        else:
            getattr(item.contents, _CONTENTS[output.datatype]).extend(output.values)
    return message


def _raw(item: Any, content: bytes) -> Tensor:
    if item.HasField("contents"):
        raise InvalidInput(f"Input '{item.name}' has both typed and raw contents; send one of them.")
    if item.datatype == "BYTES":
        return Tensor(item.name, item.datatype, item.shape, texts(item.name, content))
    dtype = FIXED_SIZE.get(item.datatype)
    if dtype is None:
        return Tensor(item.name, item.datatype, item.shape, [])
    if len(content) % dtype.itemsize:
        raise InvalidInput(
            f"Input '{item.name}' has {len(content)} bytes of {item.datatype}, which is not a multiple of "
            f"{dtype.itemsize}; it is truncated."
        )
    return Tensor(item.name, item.datatype, item.shape, np.frombuffer(content, dtype))


def _typed(item: Any) -> Tensor:
    field = _CONTENTS.get(item.datatype)
    if field is None:
        if item.datatype in FIXED_SIZE:
            raise InvalidInput(f"Input '{item.name}' is {item.datatype}, which gRPC supports only as raw contents.")
        return Tensor(item.name, item.datatype, item.shape, [])
    for other, _ in item.contents.ListFields():
        if other.name != field:
            raise InvalidInput(
                f"Input '{item.name}' is {item.datatype} but its values are in {other.name}; use {field}."
            )
    contents = getattr(item.contents, field)
    if item.datatype == "BYTES":
        return Tensor(item.name, item.datatype, item.shape, [text(item.name, element) for element in contents])
    return Tensor(item.name, item.datatype, item.shape, np.array(contents))
