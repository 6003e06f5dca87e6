"""The load generators, on the core that the servers leave: wrk for HTTP, ghz for gRPC."""

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

CACHE = Path(__file__).parent / ".cache"
GHZ = CACHE / "bin/ghz"
SERVER_CORE, LOAD_CORE = "0", "1"


def on(cores: str) -> list[str]:
    """What a command begins with to have these cores alone."""
    return ["taskset", "--cpu-list", cores]


ON_LOAD_CORE = on(LOAD_CORE)

_POST = """
wrk.method = "POST"
wrk.headers["Content-Type"] = os.getenv("CONTENT_TYPE")
wrk.headers["Host"] = os.getenv("HOST")
wrk.headers["Inference-Header-Content-Length"] = os.getenv("JSON_LENGTH")
local file = io.open(os.getenv("BODY"), "rb")
wrk.body = file:read("*a")
file:close()
"""


class Body(NamedTuple):
    """What is sent; `json_length` is that of the JSON before binary tensors."""

    content: bytes
    json_length: int | None = None


class Load(NamedTuple):
    """What one run saw: requests a second, the 99th percentile in milliseconds, how many were answered, and refused."""

    rate: float
    p99: float
    answered: int
    refused: int = 0


def http(
    url: str,
    body: Body,
    connections: int,
    seconds: float,
    within: Sequence[str] = ON_LOAD_CORE,
    host: str = "",
    may_refuse: bool = False,
) -> Load:
    """Asks by wrk for `seconds`; RuntimeError when any answer was not a success.

    Where the server may refuse, RuntimeError is for what was no answer: wrk does not tell 503 from other failures.
    """
    script, content = CACHE / "post.lua", CACHE / "body"
    script.write_text(_POST)
    content.write_bytes(body.content)
    environment = {"BODY": str(content), "CONTENT_TYPE": "application/json"} | ({"HOST": host} if host else {})
    if body.json_length is not None:
        environment |= {"CONTENT_TYPE": "application/octet-stream", "JSON_LENGTH": str(body.json_length)}
    command = ["wrk", "-t1", f"-c{connections}", f"-d{_duration(seconds)}", "-s", str(script)]
    command += ["--latency", "--timeout", "10s", url]
    said = subprocess.run(
        [*within, *command], env=os.environ | environment, capture_output=True, text=True, check=True
    ).stdout
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    if (refused and not may_refuse) or "Socket errors" in said:
        raise RuntimeError(f"{url} failed requests:\n{said}")
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", said).groups()
    return Load(
        float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]),
        float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit],
        int(re.search(r"(\d+) requests in", said)[1]),
        int(refused[1]) if refused else 0,
    )


def grpc(
    target: str,
    message: bytes,
    connections: int,
    at_once: int,
    seconds: float,
    within: Sequence[str] = ON_LOAD_CORE,
    host: str = "",
    may_refuse: bool = False,
) -> Load:
    """Asks by ghz for `seconds`; RuntimeError when any call failed, but by RESOURCE_EXHAUSTED where it may refuse."""
    content = CACHE / "message"
    content.write_bytes(message)
    command = [str(GHZ), "--insecure", "--protoset", str(protoset()), "--format", "json"]
    command += ["--call", "inference.GRPCInferenceService.ModelInfer", "--binary-file", str(content)]
    command += [f"--concurrency={at_once}", f"--connections={connections}", f"--duration={seconds}s"]
    command += ["--duration-stop=wait", "--cpus=1", *(["--authority", host] if host else []), target]
    said = json.loads(subprocess.run([*within, *command], capture_output=True, text=True, check=True).stdout)
    ended = said["statusCodeDistribution"]
    if not set(ended) <= {"OK", *(["ResourceExhausted"] if may_refuse else [])}:
        raise RuntimeError(f"{target} failed calls: {ended} {said['errorDistribution']}")
    p99 = next(point["latency"] for point in said["latencyDistribution"] if point["percentage"] == 99)
    return Load(said["rps"], p99 / 1e6, said["count"], ended.get("ResourceExhausted", 0))


def protoset() -> Path:
    """The descriptors of V2's gRPC service, which ghz needs to call it."""
    from google.protobuf import descriptor_pb2  # noqa: PLC0415 - for gRPC alone
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb  # noqa: PLC0415

    path = CACHE / "v2.protoset"
    if not path.exists():
        file = descriptor_pb2.FileDescriptorProto()
        pb.DESCRIPTOR.CopyToProto(file)
        path.write_bytes(descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString())
    return path


def _duration(seconds: float) -> str:
    return f"{max(round(seconds), 1)}s"
