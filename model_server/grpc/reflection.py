"""Server reflection, v1 and v1alpha, by which `grpcurl` and its like list and describe what is served; anyone may."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection import ReflectionServicer

from model_server.grpc.described import HEALTH, POOL
from model_server.grpc.servicer import SERVICE
from model_server.grpc.streams import Streams

VERSIONS = ("v1", "v1alpha")  # which differ in their name only
THREADS = 4  # of their own: a caller who stays keeps one, and nobody but other callers of reflection waits for it


def handlers(streams: Streams) -> list[grpc.GenericRpcHandler]:
    """The service in each of `VERSIONS`, for grpc's server; `streams` limits how many of its calls are open at once."""
    names = [f"grpc.reflection.{version}.ServerReflection" for version in VERSIONS]
    servicer = ReflectionServicer([SERVICE, f"{HEALTH}.Health", *names], pool=POOL)

    def reflect(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        streams.add(context)
        yield from servicer.ServerReflectionInfo(requests, context)

    reflect.experimental_thread_pool = ThreadPoolExecutor(THREADS, "grpc-reflection")  # type: ignore[attr-defined]
    handler = grpc.stream_stream_rpc_method_handler(
        reflect,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return [grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler}) for name in names]
