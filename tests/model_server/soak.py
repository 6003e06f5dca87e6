"""Full load for LOAN_SOAK_SECONDS (1200) while versions come, go and change: `make soak`.

Every endpoint is asked all the time, and every answer is compared with what the version that it names gives here.
Meanwhile versions are trained and published, champions move, versions are loaded and unloaded. At the end: no failed
request, no wrong answer, and the server's memory where it was.
"""

import asyncio
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import psutil
import uvloop
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from loan_model.synthetic import generate
from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tests.model_server.serving import Server, serving, v2_columns
from training_job.progress import Progress
from training_job.run import Training, run_training

PINNED = ("v1", "v2")  # asked by name all the time; others come and go
MEMORY_GROWTH = 1.1  # of the last quarter over the second

random.seed(0)


def applications(rows: int) -> np.ndarray:
    return np.ascontiguousarray(generate(rows, rows).iloc[:, :7].to_numpy(dtype=np.float64))


class Truth:
    """What each version answers; safe for threads."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._models: dict[str, TabularModel] = {}
        self._right: set[tuple[str, str, bytes]] = set()
        self._lock = threading.Lock()

    def check(self, name: str, matrix: np.ndarray, version: str, body: bytes, probabilities: Callable[[], Any]) -> None:
        """An answer that was right once is right again: only a new one is computed."""
        key = (name, version, body)
        if key in self._right:
            return
        with self._lock:
            if version not in self._models:
                self._models[version] = TabularModel.from_registry(self._registry, version)
            expected = self._models[version].score(matrix).probability
        if not np.array_equal(expected, np.asarray(probabilities(), dtype=np.float64)):
            raise AssertionError(f"{name}: {version} answers otherwise than the model does")
        self._right.add(key)


class Rest:
    """One connection that asks the same again and again."""

    def __init__(self, server: Server, truth: Truth, rows: int, form: str, version: str, asked: Counter) -> None:
        self._server, self._truth, self._asked = server, truth, asked
        self._matrix = applications(rows)
        self._form = form
        self._name = f"{form} {rows}"
        where = f"/versions/{version}" if version else ""
        head = f"POST /v2/models/loan{where}/infer HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        body = json.dumps(v2_columns(self._matrix)).encode()
        if form == "plain":
            head = head.replace(f"/v2/models/loan{where}/infer", f"/predict_batch?version={version or 'v1'}")
            names = [item["name"] for item in v2_columns(self._matrix)["inputs"]]
            values = np.where(np.isnan(self._matrix), None, self._matrix)
            body = json.dumps([dict(zip(names, row, strict=True)) for row in values.tolist()]).encode()
        elif form == "binary":
            raw = self._matrix.tobytes()
            item = {"name": "x", "datatype": "FP64", "shape": self._matrix.shape}
            start = json.dumps({"inputs": [item | {"parameters": {"binary_data_size": len(raw)}}]}).encode()
            head += f"inference-header-content-length: {len(start)}\r\n"
            body = start + raw
        self._request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body

    async def run(self, end: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server.http_port, limit=2**24)
        while time.monotonic() < end:
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode().lower().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines[1:] if line)
            body = await reader.readexactly(int(headers["content-length"]))
            if " 200 " not in lines[0]:
                raise AssertionError(f"{self._name}: {lines[0]} {body[:300]!r}")
            self._truth.check(self._name, self._matrix, headers["x-loan-version"], body, lambda: _values(body))  # noqa: B023
            self._asked[self._name] += 1
        writer.close()


def _values(body: bytes) -> list[float]:
    answer = json.loads(body)
    return answer["probabilities"] if "probabilities" in answer else answer["outputs"][0]["data"]


def ask_grpc(server: Server, truth: Truth, asked: Counter, end: float) -> None:
    matrix = applications(16)
    from tests.model_server.test_v2_grpc import raw  # noqa: PLC0415

    content = raw(matrix)
    with grpc.insecure_channel(server.grpc_target) as channel:
        infer = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            lambda message: message.SerializeToString(),
            pb.ModelInferResponse.FromString,
        )
        while time.monotonic() < end:
            answer = infer(content, timeout=60)
            values = answer.raw_output_contents[0]
            truth.check("grpc 16", matrix, answer.model_version, values, lambda: np.frombuffer(values))  # noqa: B023
            asked["grpc 16"] += 1


def change(server: Server, registry: Registry, done: Counter, end: float) -> None:
    """What operators and trainings do, all at once and without a rest."""
    trained = registry.load("v1"), registry.load("v2")
    with httpx.Client(base_url=server.url, timeout=300) as http:

        def repository(verb: str, version: str | None) -> None:
            body = {"parameters": {"version": version}} if version else {}
            http.post(f"/v2/repository/models/loan/{verb}", json=body).raise_for_status()
            done[verb] += 1

        while time.monotonic() < end:
            step = sum(done.values())
            if step % 60 == 59:
                http.post("/train", json={"algorithm": "logistic", "seed": step}).raise_for_status()
                done["train"] += 1
            if step % 15 == 14:
                manifest, files = random.choice(trained)
                registry.publish(files, lambda version, hashes: _renamed(manifest, version, hashes))  # noqa: B023
                done["publish"] += 1
            others = [version for version in registry.versions() if version not in PINNED][-6:]
            registry.promote(random.choice(registry.versions()), by="soak", reason="soak", force=True)
            done["promote"] += 1
            if others:
                repository("load", random.choice(others))
                repository("load", None)
                away = random.choice(others)
                if away != registry.default():
                    repository("unload", away)
            time.sleep(0.5)


def _renamed(manifest: Any, version: str, hashes: dict[str, str]) -> Any:
    import msgspec  # noqa: PLC0415

    return msgspec.structs.replace(manifest, version=version, files=hashes, run=f"soak-{version}")


def guarded(failures: list[BaseException], work: Callable[..., None], *args: Any) -> threading.Thread:
    def run() -> None:
        try:
            work(*args)
        except BaseException as error:
            failures.append(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    return thread


async def load(server: Server, truth: Truth, asked: Counter, end: float) -> None:
    kinds = [(1, "json", ""), (1, "json", "v1"), (16, "json", ""), (1000, "json", ""), (1, "plain", "v2")]
    kinds += [(200, "plain", "v1"), (1, "binary", ""), (1000, "binary", "v2")]
    await asyncio.gather(
        *(Rest(server, truth, rows, form, version, asked).run(end) for rows, form, version in kinds for _ in range(2))
    )


def watch(pid: int, samples: list[tuple[float, int]], end: float) -> None:
    process = psutil.Process(pid)
    while time.monotonic() < end:
        samples.append((time.monotonic(), process.memory_info().rss))
        time.sleep(2)


def main(seconds: float) -> int:
    with tempfile.TemporaryDirectory() as folder:
        data, root = Path(folder, "data.csv"), Path(folder, "registry")
        generate(1000, 0).to_csv(data, index=False)
        registry = Registry.open(root, create=True)
        for algorithm in ("gradient_boosting", "logistic"):
            run_training(Training(data=str(data), algorithm=algorithm), registry, Progress())
        # What is looked for is leaks and wrong answers; on a busy machine an impatient server would shed some.
        with serving(root, train_data=data, refresh_seconds=0.5, queue_seconds=30) as server:
            return soak(server, registry, seconds)


def soak(server: Server, registry: Registry, seconds: float) -> int:
    asked, done = Counter[str](), Counter[str]()
    failures: list[BaseException] = []
    samples: list[tuple[float, int]] = []
    truth = Truth(registry)
    said = deque[str](maxlen=50)  # its audit lines would fill the pipe, and then keep it waiting
    threading.Thread(target=lambda: said.extend(server.process.stderr), daemon=True).start()  # type: ignore[arg-type]
    end = time.monotonic() + seconds
    threads = [
        guarded(failures, ask_grpc, server, truth, asked, end),
        guarded(failures, change, server, registry, done, end),
        guarded(failures, watch, server.process.pid, samples, end),
    ]
    try:
        uvloop.run(load(server, truth, asked, end))
    except BaseException as error:
        failures.append(error)
        print(f"failed after {seconds - (end - time.monotonic()):.0f} s: {error!r}", file=sys.stderr)
    for thread in threads:
        thread.join()
    if failures:
        print("".join(said), file=sys.stderr)
    quarter = len(samples) // 4
    megabytes = np.array([size for _, size in samples]) / 2**20
    half = np.array([at for at, _ in samples[quarter * 2 :]])
    slope = np.polyfit(half - half[0], megabytes[quarter * 2 :], 1)[0] * 3600
    growth = float(np.median(megabytes[-quarter:]) / np.median(megabytes[quarter : quarter * 2]))
    report = {
        "seconds": round(seconds),
        "asked": sum(asked.values()),
        "failed": len(failures),
        "by": dict(asked),
        "changes": dict(done),
        "memory_mb": [round(megabytes[at]) for at in (0, quarter, quarter * 2, quarter * 3, -1)],
        "slope_mb_an_hour": round(float(slope), 1),
        "growth": round(growth, 3),
    }
    print(json.dumps(report, indent=1))
    return int(bool(failures) or growth > MEMORY_GROWTH)


if __name__ == "__main__":
    sys.exit(main(float(os.environ.get("LOAN_SOAK_SECONDS", "1200"))))
