"""The repository extension's messages, which KServe's own protobuf lacks in part.

Described here by field number, after Triton's `grpc_service.proto`, so that Triton's clients can ask for the index and
name a version to load. KServe's load request has the model's name in field 1, where Triton's has the repository's:
`model_name` of either is in `first_name` or `model_name`.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_TYPES = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "loan.repository"


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="loan_repository.proto", package=_PACKAGE, syntax="proto3")
    index_request = file.message_type.add(name="IndexRequest")
    _field(index_request, "repository_name", 1, _TYPES.TYPE_STRING)
    _field(index_request, "ready", 2, _TYPES.TYPE_BOOL)
    index = file.message_type.add(name="IndexResponse")
    entry = index.nested_type.add(name="Model")
    for number, name in enumerate(("name", "version", "state", "reason"), start=1):
        _field(entry, name, number, _TYPES.TYPE_STRING)
    _field(index, "models", 1, _TYPES.TYPE_MESSAGE, f".{_PACKAGE}.IndexResponse.Model", repeated=True)
    parameter = file.message_type.add(name="Parameter")
    _field(parameter, "string_param", 3, _TYPES.TYPE_STRING)
    load = file.message_type.add(name="ModelRequest")
    _field(load, "first_name", 1, _TYPES.TYPE_STRING)
    _field(load, "model_name", 2, _TYPES.TYPE_STRING)
    pair = load.nested_type.add(name="ParametersEntry", options={"map_entry": True})
    _field(pair, "key", 1, _TYPES.TYPE_STRING)
    _field(pair, "value", 2, _TYPES.TYPE_MESSAGE, f".{_PACKAGE}.Parameter")
    entry_type = f".{_PACKAGE}.ModelRequest.ParametersEntry"
    _field(load, "parameters", 3, _TYPES.TYPE_MESSAGE, entry_type, repeated=True)
    return file


def _field(
    message: descriptor_pb2.DescriptorProto,
    name: str,
    number: int,
    kind: int,
    type_name: str | None = None,
    repeated: bool = False,
) -> None:
    label = _TYPES.LABEL_REPEATED if repeated else _TYPES.LABEL_OPTIONAL
    message.field.add(name=name, number=number, type=kind, label=label, type_name=type_name)


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


IndexRequest = _message("IndexRequest")
IndexResponse = _message("IndexResponse")
ModelRequest = _message("ModelRequest")
