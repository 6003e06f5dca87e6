"""Server reflection, v1 and v1alpha, by which `grpcurl` and its like list and describe what is served; anyone may."""

from functools import cache
from typing import Any

from grpc_reflection.v1alpha import reflection_pb2

from model_server.grpc.app import Send, Stay
from model_server.grpc.call import Call, parsed
from model_server.grpc.described import HEALTH, POOL
from model_server.grpc.servicer import SERVICE
from model_server.grpc.stream import Messages

_SERVICES = [f"grpc.reflection.{version}.ServerReflection" for version in ("v1", "v1alpha")]  # differ in their name


def staying() -> dict[bytes, Stay]:
    """The service in both its versions, whose calls stay open."""
    return {f"/{service}/ServerReflectionInfo".encode(): _reflect for service in _SERVICES}


async def _reflect(_: Call, messages: Messages, send: Send) -> None:
    async for message in messages:
        request = parsed(reflection_pb2.ServerReflectionRequest, message)
        for answer in _servicer().ServerReflectionInfo(iter([request]), None):
            await send(answer.SerializeToString())


@cache
def _servicer() -> Any:
    from grpc_reflection.v1alpha.reflection import ReflectionServicer  # noqa: PLC0415 - imports all of grpcio

    return ReflectionServicer([SERVICE, f"{HEALTH}.Health", *_SERVICES], pool=POOL)
