"""V2's messages, made from what the installation compiled of `inference.proto`.

They are in a pool of their own, so that a process may hold KServe's or Triton's messages of the same names as well. A
compiled description, unlike generated Python code, is not tied to a version of protobuf.
"""

from importlib.resources import files
from types import SimpleNamespace
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tabular_model.errors import ModelError

_COMPILED = files("model_server.grpc") / "inference.binpb"


def _described() -> descriptor_pb2.FileDescriptorProto:
    try:
        (file,) = descriptor_pb2.FileDescriptorSet.FromString(_COMPILED.read_bytes()).file
    except FileNotFoundError:
        raise ModelError(
            f"{_COMPILED} was not found. An installation creates it; in a checkout run `make protocol`."
        ) from None
    return file


def _messages() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(FILE)
    found = pool.FindFileByName(FILE.name).message_types_by_name
    return {name: message_factory.GetMessageClass(message) for name, message in found.items()}


FILE = _described()
pb: Any = SimpleNamespace(**_messages())
