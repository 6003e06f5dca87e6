"""The services of this server as protobuf describes them: the published ones, and what they lack of what is served."""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from model_server.grpc.v2_pb import pb

_FIELD = descriptor_pb2.FieldDescriptorProto
HEALTH = "grpc.health.v1"


def _published(module: Any) -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    return file


def _inference() -> descriptor_pb2.FileDescriptorProto:
    """KServe's, and from Triton's `grpc_service.proto` the index of the repository extension."""
    file = _published(pb)
    asked = file.message_type.add(name="RepositoryIndexRequest")
    asked.field.add(name="repository_name", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    asked.field.add(name="ready", number=2, type=_FIELD.TYPE_BOOL, label=_FIELD.LABEL_OPTIONAL)
    answer = file.message_type.add(name="RepositoryIndexResponse")
    entry = answer.nested_type.add(name="ModelIndex")
    for number, name in enumerate(("name", "version", "state", "reason"), start=1):
        entry.field.add(name=name, number=number, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    kind = f".{file.package}.RepositoryIndexResponse.ModelIndex"
    answer.field.add(name="models", number=1, type=_FIELD.TYPE_MESSAGE, label=_FIELD.LABEL_REPEATED, type_name=kind)
    (service,) = file.service
    service.method.add(
        name="RepositoryIndex",
        input_type=f".{file.package}.RepositoryIndexRequest",
        output_type=f".{file.package}.RepositoryIndexResponse",
    )
    return file


def _health() -> descriptor_pb2.FileDescriptorProto:
    """With List, which the protocol has and grpcio's package does not yet."""
    file = _published(health_pb2)
    file.message_type.add(name="HealthListRequest")
    answer = file.message_type.add(name="HealthListResponse")
    entry = answer.nested_type.add(name="StatusesEntry", options={"map_entry": True})
    entry.field.add(name="key", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    status = f".{HEALTH}.HealthCheckResponse"
    entry.field.add(name="value", number=2, type=_FIELD.TYPE_MESSAGE, label=_FIELD.LABEL_OPTIONAL, type_name=status)
    kind = f".{HEALTH}.HealthListResponse.StatusesEntry"
    answer.field.add(name="statuses", number=1, type=_FIELD.TYPE_MESSAGE, label=_FIELD.LABEL_REPEATED, type_name=kind)
    (service,) = file.service
    service.method.add(
        name="List", input_type=f".{HEALTH}.HealthListRequest", output_type=f".{HEALTH}.HealthListResponse"
    )
    return file


def _reflection(version: str) -> descriptor_pb2.FileDescriptorProto:
    """Of version v1alpha, or of v1, which differs from it in its name only."""
    file = _published(reflection_pb2)
    if version != "v1alpha":
        _rename(file, "grpc.reflection.v1alpha", f"grpc.reflection.{version}")
    return file


def _rename(file: descriptor_pb2.FileDescriptorProto, old: str, new: str) -> None:
    file.name = file.name.replace("v1alpha", new.rpartition(".")[2])
    file.package = new
    for message in file.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = field.type_name.replace(f".{old}.", f".{new}.")
    for service in file.service:
        for method in service.method:
            method.input_type = method.input_type.replace(f".{old}.", f".{new}.")
            method.output_type = method.output_type.replace(f".{old}.", f".{new}.")


POOL = descriptor_pool.DescriptorPool()
for _file in (_inference(), _health(), _reflection("v1alpha"), _reflection("v1")):
    POOL.Add(_file)

HealthListResponse: Any = message_factory.GetMessageClass(POOL.FindMessageTypeByName(f"{HEALTH}.HealthListResponse"))
