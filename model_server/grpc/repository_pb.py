"""The repository extension's request to load or unload, which KServe's own protobuf has in part.

Described here by field number, after Triton's `grpc_service.proto`, so that Triton's clients can name a version to
load. KServe's load request has the model's name in field 1, where Triton's has the repository's: `model_name` of either
is in `first_name` or `model_name`.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from model_server.grpc.described import KINDS, field

_PACKAGE = "loan.repository"


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="loan_repository.proto", package=_PACKAGE, syntax="proto3")
    parameter = file.message_type.add(name="Parameter")
    field(parameter, "string_param", 3, KINDS.TYPE_STRING)
    load = file.message_type.add(name="ModelRequest")
    field(load, "first_name", 1, KINDS.TYPE_STRING)
    field(load, "model_name", 2, KINDS.TYPE_STRING)
    pair = load.nested_type.add(name="ParametersEntry", options={"map_entry": True})
    field(pair, "key", 1, KINDS.TYPE_STRING)
    field(pair, "value", 2, KINDS.TYPE_MESSAGE, f".{_PACKAGE}.Parameter")
    entry_type = f".{_PACKAGE}.ModelRequest.ParametersEntry"
    field(load, "parameters", 3, KINDS.TYPE_MESSAGE, entry_type, repeated=True)
    return file


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())

ModelRequest: Any = message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.ModelRequest"))
