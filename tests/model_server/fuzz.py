"""Fuzzes the decoders of every protocol: `python -m tests.model_server.fuzz CASES`.

atheris (libFuzzer) mutates valid requests, guided by which lines of the decoders they reach; half of the mutations are
of bytes, the other half of the JSON's tree, so that what comes is still JSON. A case is decoded, checked against the
schema, and its answer encoded. Anything but an answer or a refusal in one sentence ends the run with the case.
"""

import asyncio
import gzip
import json
import random
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import atheris
import numpy as np
import psutil
import zstandard
from google.protobuf.message import DecodeError

with atheris.instrument_imports(include=["model_server"]):
    from model_server import signature, tensors
    from model_server.access import Access, Right
    from model_server.codecs import compression, plain, records, v1, v2_grpc, v2_rest
    from model_server.errors import ServeError
    from model_server.grpc import frames
    from model_server.grpc.app import GrpcApp, Method
    from model_server.grpc.connection import GrpcProtocol
    from model_server.metrics import Metrics
    from model_server.overload.admission import Admission
    from model_server.overload.connections import ConnectionLimits
    from model_server.settings import LimitSettings

from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from loan_model.synthetic import LOAN
from tests.model_server.http2 import INFER, request

SECONDS = 1.0  # that no case may take
HOSTILE: list[Any] = [
    *(None, True, "", "x" * 300, "\ud800", [], {}, [[]], [None], [[[[1]]]]),
    *(
        -1,
        0,
        1,
        2,
        7,
        8,
        2**31,
        2**32,
        2**63 - 1,
        2**63,
        2**64,
        10**30,
        -(2**63),
        1.5,
        -0.0,
        1e308,
        5e-324,
        float("nan"),
    ),
    *("FP64", "FP16", "INT8", "UINT64", "BYTES", "BOOL", "Age", "applications", "probability", "reason_codes"),
    *(
        {"binary_data_size": 8},
        {"binary_data_size": -8},
        {"binary_data_size": 2**63},
        {"explain": True},
        [1, 7],
        [7, 1],
    ),
]
SIGNATURE = signature.Signature(LOAN.columns, 1000, False)
EXPECTED = records.Expected(SIGNATURE.columns, SIGNATURE.words, SIGNATURE.ignores_extra)
RECORDS = {b"1": (plain.decode_one, plain.encode_one), b"M": (plain.decode_batch, plain.encode_batch)}
RECORDS[b"V"] = (v1.decode, plain.encode_batch)
CODINGS = {b"g": "gzip", b"d": "deflate", b"z": "zstd"}
ROW = np.array([[41, 82000, 715, 15000, 5, 3, 0]], dtype=np.float64)


def seeds() -> list[bytes]:
    """Valid requests: JSON by column and as a matrix, binary tensors, protobuf, applications, V1, compressed ones, and
    connections of HTTP/2.

    The first byte says which.
    """
    application = dict(zip(LOAN.schema.names, ROW[0].tolist(), strict=True))
    columns = [
        {"name": name, "datatype": "FP64", "shape": [1], "data": [value]}
        for name, value in zip(LOAN.schema.names, ROW[0].tolist(), strict=True)
    ]
    matrix = {"name": "x", "datatype": "FP64", "shape": [1, 7]}
    ask = {"outputs": [{"name": "probability", "parameters": {"binary_data": True}}], "parameters": {"explain": True}}
    binary = json.dumps({"inputs": [matrix | {"parameters": {"binary_data_size": 56}}]}).encode()
    message = pb.ModelInferRequest(model_name="loan", raw_input_contents=[ROW.tobytes()])
    message.inputs.add(**matrix)
    typed = pb.ModelInferRequest(model_name="loan")
    typed.inputs.add(**matrix).contents.fp64_contents.extend(ROW[0])
    return [
        b"J" + json.dumps({"inputs": columns, "id": "1"} | ask).encode(),
        b"J" + json.dumps({"inputs": [matrix | {"data": ROW.tolist()}]}).encode(),
        b"B" + len(binary).to_bytes(2, "little") + binary + ROW.tobytes(),
        b"G" + message.SerializeToString(),
        b"G" + typed.SerializeToString(),
        b"H" + connection(message.SerializeToString()),
        b"1" + json.dumps(application).encode(),
        b"M" + json.dumps([application, application]).encode(),
        b"M" + json.dumps({name: [value, value] for name, value in application.items()}).encode(),
        b"V" + json.dumps({"instances": [application, ROW[0].tolist()]}).encode(),
        *(
            kind + pack(json.dumps({"inputs": columns}).encode())
            for kind, pack in {b"g": gzip.compress, b"d": zlib.compress, b"z": zstandard.compress}.items()
        ),
    ]


def connection(message: bytes) -> bytes:
    """What a client of gRPC sends behind the preface: a call, one that stays open, and frames of all kinds."""
    head, content = frames.END_HEADERS, frames.END_STREAM
    return b"".join(
        [
            frames.settings({frames.Setting.INITIAL_WINDOW_SIZE: 100}),
            frames.frame(frames.HEADERS, head, 1, request(INFER)),
            frames.frame(frames.DATA, content, 1, b"\0" + len(message).to_bytes(4, "big") + message),
            frames.window_update(0, 1000) + frames.window_update(1, 1000),
            frames.frame(frames.HEADERS, 0, 3, request(STAYS)[:9]),
            frames.frame(frames.CONTINUATION, head, 3, request(STAYS)[9:]),
            frames.frame(frames.DATA, 0, 3, b"\0" * 5),
            frames.frame(frames.PING, 0, 0, bytes(8)) + frames.frame(frames.PRIORITY, 0, 5, bytes(5)),
            frames.reset(3, frames.Code.CANCEL) + frames.go_away(0),
        ]
    )


STAYS = b"/grpc.health.v1.Health/Watch"


class Nowhere(asyncio.Transport):
    """A peer that reads nothing of what it is sent."""

    def write(self, _: Any) -> None: ...
    def close(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


async def _stay(_call: Any, messages: Any, send: Any) -> None:
    async for message in messages:
        await send(message)


def _infer(call: Any) -> Any:
    return call.request(pb.ModelInferRequest)


async def _connect(content: bytes) -> None:
    """A connection on which that comes, in two parts, and which is lost then; nothing is held for it any more."""
    methods = {INFER: Method(_infer, Right.predict, scores=True)}
    admission, limits = Admission(1.0, METRICS), ConnectionLimits(LimitSettings(max_body_bytes=5000))
    app = GrpcApp(methods, {STAYS: _stay}, METRICS, Access(NOBODY, frozenset(Right)), admission, 5000)
    protocol = GrpcProtocol(app, limits, set())
    protocol.connection_made(Nowhere())
    protocol.data_received(frames.PREFACE + content[: len(content) // 2])
    await asyncio.sleep(0)
    protocol.data_received(content[len(content) // 2 :])
    await asyncio.sleep(0)
    protocol.connection_lost(None)
    await asyncio.sleep(0)
    assert (admission.queue.held, limits.held) == (0, 0)


METRICS = Metrics()
NOBODY: Any = None
LOOP = asyncio.new_event_loop()


def ask(case: bytes) -> bool:
    """One case through decoder, checks and encoder: whether it was scored; raises nothing but what is a find."""
    kind, body = case[:1], case[1:]
    try:
        if kind == b"G":
            try:
                message = pb.ModelInferRequest.FromString(body)
            except DecodeError:  # which grpc answers itself
                return False
            answer(v2_grpc.decode(message), lambda response: v2_grpc.encode("loan", response, True))
        elif kind == b"H":
            LOOP.run_until_complete(_connect(body))
        elif kind in RECORDS:
            decode, encode = RECORDS[kind]
            answer(decode(body, EXPECTED, kind == b"M"), encode)
        elif kind in CODINGS:
            ask(b"J" + compression.unpacked(body, CODINGS[kind], 10_000))
        else:
            length = str(int.from_bytes(body[:2], "little")) if kind == b"B" else None
            asked, binary = v2_rest.decode(body[2:] if length else body, length)
            answer(asked, lambda response: v2_rest.encode("loan", response, binary))
        return True
    except ServeError as error:
        sentence = str(error)
        assert sentence.endswith(".")
        assert "\n" not in sentence
        assert len(sentence) < 2000, f"a message of {len(sentence)} characters"
        return False


def answer(request: tensors.InferRequest, encode: Any) -> None:
    matrix = SIGNATURE.matrix(request.tensors)
    SIGNATURE.check(matrix)
    encode(
        tensors.InferResponse(
            request.id,
            "v1",
            [
                tensors.Output("probability", "FP64", [len(matrix)], matrix[:, 0]),
                tensors.Output("decision", "INT64", [len(matrix)], np.ones(len(matrix), dtype=np.int64)),
                tensors.Output("reason_codes", "BYTES", [len(matrix), 1], [["AGE"]] * len(matrix)),
            ],
        )
    )


def mutate(case: bytes, size: int, seed: int) -> bytes:
    chance = random.Random(seed)
    at = {b"J": 1, b"B": 3, b"1": 1, b"M": 1, b"V": 1}.get(case[:1])
    if at is None or chance.random() < 0.5:
        return bytes(atheris.Mutate(case, size))
    end = at + int.from_bytes(case[1:3], "little") if case[:1] == b"B" else len(case)
    try:
        tree = json.loads(case[at:end])
    except (ValueError, RecursionError):
        return bytes(atheris.Mutate(case, size))
    head = json.dumps(_changed(tree, chance)).encode()
    if at == 1:
        return (case[:1] + head)[:size]
    return (b"B" + min(len(head), 65535).to_bytes(2, "little") + head + case[end:])[:size]


def _changed(node: Any, chance: random.Random) -> Any:
    """The tree with one node changed."""
    if isinstance(node, dict) and node and chance.random() < 0.9:
        key = chance.choice(list(node))
        return node | {key: _changed(node[key], chance)}
    if isinstance(node, list) and node and chance.random() < 0.9:
        index = chance.randrange(len(node))
        if chance.random() < 0.2:
            return [*node, node[index]]
        return [*node[:index], _changed(node[index], chance), *node[index + 1 :]]
    return chance.choice(HOSTILE)


class Run:
    """Counts cases and looks at how long each takes; reports after the last, as libFuzzer does not return."""

    def __init__(self, cases: int) -> None:
        self._cases = cases
        self._done = 0
        self._refused = 0
        self._slowest = 0.0
        self._memory = 0
        self._started = time.perf_counter()

    def __call__(self, case: bytes) -> None:
        started = time.perf_counter()
        self._refused += not ask(case)
        took = time.perf_counter() - started
        self._slowest = max(self._slowest, took)
        assert took < SECONDS, f"{took:.1f} s for one case"
        self._done += 1
        if self._done == min(10_000, self._cases // 2):  # all is imported and warm
            self._memory = psutil.Process().memory_info().rss
        if self._done == self._cases:
            print(self._report(), flush=True)

    def _report(self) -> str:
        return json.dumps(
            {
                "cases": self._done,
                "scored": self._done - self._refused,
                "seconds": round(time.perf_counter() - self._started, 1),
                "slowest_ms": round(self._slowest * 1e3, 1),
                "memory_mb": [round(size / 2**20) for size in (self._memory, psutil.Process().memory_info().rss)],
            }
        )


def main(cases: int, seed: int = 1) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number, content in enumerate(seeds()):
            assert ask(content)
            Path(folder, str(number)).write_bytes(content)
        options = [f"-atheris_runs={cases}", f"-seed={seed}", "-max_len=8192", "-verbosity=0", "-rss_limit_mb=2048"]
        atheris.Setup([__file__, *options, folder], Run(cases), custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
