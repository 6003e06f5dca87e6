"""The services of this server as protobuf describes them: inference, and the published ones with what they lack."""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from model_server.grpc.v2_pb import FILE

KINDS = descriptor_pb2.FieldDescriptorProto
HEALTH = "grpc.health.v1"


def field(
    message: descriptor_pb2.DescriptorProto,
    name: str,
    number: int,
    kind: int,
    type_name: str | None = None,
    repeated: bool = False,
) -> None:
    """Adds a field to a message."""
    label = KINDS.LABEL_REPEATED if repeated else KINDS.LABEL_OPTIONAL
    message.field.add(name=name, number=number, type=kind, label=label, type_name=type_name)


def _published(module: Any) -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    return file


def _health() -> descriptor_pb2.FileDescriptorProto:
    """With List, which the protocol has and grpcio's package does not yet."""
    file = _published(health_pb2)
    file.message_type.add(name="HealthListRequest")
    answer = file.message_type.add(name="HealthListResponse")
    entry = answer.nested_type.add(name="StatusesEntry", options={"map_entry": True})
    field(entry, "key", 1, KINDS.TYPE_STRING)
    field(entry, "value", 2, KINDS.TYPE_MESSAGE, f".{HEALTH}.HealthCheckResponse")
    kind = f".{HEALTH}.HealthListResponse.StatusesEntry"
    field(answer, "statuses", 1, KINDS.TYPE_MESSAGE, kind, repeated=True)
    (service,) = file.service
    service.method.add(
        name="List", input_type=f".{HEALTH}.HealthListRequest", output_type=f".{HEALTH}.HealthListResponse"
    )
    return file


def _reflection_v1() -> descriptor_pb2.FileDescriptorProto:
    """It differs from v1alpha in its name only."""
    file = _published(reflection_pb2)
    old, new = ".grpc.reflection.v1alpha.", ".grpc.reflection.v1."
    file.name, file.package = file.name.replace("v1alpha", "v1"), new.strip(".")
    for each in (each for message in file.message_type for each in message.field if each.type_name):
        each.type_name = each.type_name.replace(old, new)
    for method in (method for service in file.service for method in service.method):
        method.input_type = method.input_type.replace(old, new)
        method.output_type = method.output_type.replace(old, new)
    return file


POOL = descriptor_pool.DescriptorPool()
for _file in (FILE, _health(), _published(reflection_pb2), _reflection_v1()):
    POOL.Add(_file)

HealthListResponse: Any = message_factory.GetMessageClass(POOL.FindMessageTypeByName(f"{HEALTH}.HealthListResponse"))
