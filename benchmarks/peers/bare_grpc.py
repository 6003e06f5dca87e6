"""The limit of gRPC in Python: grpcio that answers fixed bytes; on threads, on asyncio, or on asyncio with uvloop."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import uvloop

ANSWER = b"\n\x04loan" + b"x" * 0
KIND, PORT = sys.argv[1], sys.argv[2]


def fixed(_request: bytes, _context: Any) -> bytes:
    return ANSWER


async def fixed_later(_request: bytes, _context: Any) -> bytes:
    return ANSWER


def handlers(method: Any) -> list[grpc.GenericRpcHandler]:
    methods = {"ModelInfer": grpc.unary_unary_rpc_method_handler(method)}
    return [grpc.method_handlers_generic_handler("inference.GRPCInferenceService", methods)]


async def serve() -> None:
    server = grpc.aio.server(handlers=handlers(fixed_later))
    server.add_insecure_port(f"127.0.0.1:{PORT}")
    await server.start()
    await server.wait_for_termination()


if KIND == "threads":
    server = grpc.server(ThreadPoolExecutor(8), handlers=handlers(fixed))
    server.add_insecure_port(f"127.0.0.1:{PORT}")
    server.start()
    server.wait_for_termination()
else:
    asyncio.run(serve()) if KIND == "asyncio" else uvloop.run(serve())
