"""A model of 50 columns, 15 of them categories of up to 50 levels: what a wide record costs."""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.load import CACHE, Body
from benchmarks.servers import BENTOML_ONNX, INFER, KSERVE_ONNX, MLSERVER_ONNX, OURS, Server
from tabular_model.declaration import Declaration
from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tabular_model.schema import Column, Target
from training_job.progress import Progress
from training_job.run import Training, run_training

REGISTRY = "registry-wide"
NUMBERS, CATEGORIES, MOST_LEVELS = 35, 15, 50
DATATYPES = {"number": "FP64", "integer": "FP64", "category": "BYTES"}


def declaration() -> Declaration:
    """The model's columns: numbers, then categories of ever more levels."""
    numbers = [Column(name=f"number_{i}", range=(-5, 5), missing=i % 3 == 0) for i in range(NUMBERS)]
    sizes = np.linspace(2, MOST_LEVELS, CATEGORIES).astype(int)
    words = [
        Column(name=f"word_{i}", type="category", levels=tuple(f"level {k:02}" for k in range(size)), missing=True)
        for i, size in enumerate(sizes)
    ]
    return Declaration(model="wide", target=Target(name="outcome"), columns=(*numbers, *words))


def generate(rows: int, seed: int = 0) -> pd.DataFrame:
    """Rows whose outcome depends on every column a little."""
    rng = np.random.default_rng(seed)
    frame, score = {}, np.zeros(rows)
    for column in declaration().columns:
        if column.type == "category":
            codes = rng.integers(0, len(column.levels), rows)
            frame[column.name] = np.array(column.levels, object)[codes]
            score += np.sin(codes) / 2
        else:
            frame[column.name] = rng.normal(size=rows).round(3)
            score += frame[column.name] / 4
        if column.missing:
            frame[column.name] = np.where(rng.random(rows) < 0.05, None, frame[column.name])
    outcome = (rng.random(rows) < 1 / (1 + np.exp(-score))).astype(int)
    return pd.DataFrame(frame).assign(outcome=outcome)


def ours() -> Body:
    """One row in V2 JSON, a tensor for each column, with its words."""
    row = _row()
    inputs = [
        {"name": column.name, "datatype": DATATYPES[column.type], "shape": [1], "data": [row[column.name]]}
        for column in declaration().columns
    ]
    return Body(json.dumps({"inputs": inputs}).encode())


def v2() -> Body:
    """The same row as one tensor of numbers, a level as its code: peers have no words for them."""
    tensor = {"name": "x", "datatype": "FP64", "shape": [1, NUMBERS + CATEGORIES], "data": _codes()}
    return Body(json.dumps({"inputs": [tensor]}).encode())


def nested() -> Body:
    """The same as BentoML takes it."""
    return Body(json.dumps({"applications": [_codes()]}).encode())


def reasons(loan: Path) -> str:
    """How many rows a second are explained, of the shipped model and of this one; `loan` is a registry with that."""
    return "\n".join([_reasons("7", loan), _reasons("50", trained())])


def trained() -> Path:
    """A registry with one version, gradient boosting."""
    root = CACHE / REGISTRY
    if not (root / "v1/manifest.json").exists():
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "wide.csv"
            generate(10_000).to_csv(data, index=False)
            training = Training(data=str(data), declaration=declaration(), algorithm="gradient_boosting")
            run_training(training, Registry.open(root, create=True), Progress())
    return root


def _reasons(columns: str, registry: Path) -> str:
    """How many rows a second are explained, one at a time and a thousand at once."""
    model = TabularModel.from_registry(Registry.open(registry), "v1")
    row = np.array([[model.baseline[column.name] for column in model.columns]])
    rates = []
    for rows, times in ((row, 300), (np.repeat(row, 1000, axis=0), 3)):
        started = time.perf_counter()
        for _ in range(times):
            model.reason_codes(rows)
        rates.append(times * len(rows) / (time.perf_counter() - started))
    return (
        f"Reasons for {columns} columns: {rates[0]:.0f} rows/s one at a time, {rates[1]:.0f} rows/s a thousand at once."
    )


def _row() -> dict[str, Any]:
    return dict(json.loads(generate(4, seed=1)[3:].drop(columns="outcome").to_json(orient="records"))[0])


def _codes() -> list[float | None]:
    row = _row()
    return [
        column.levels.index(row[column.name]) if column.levels and row[column.name] is not None else row[column.name]
        for column in declaration().columns
    ]


def _asked(server: Server, body: Callable[[], Body], path: str = "") -> Server:
    return server._replace(registry=REGISTRY, body=lambda _: body(), path=path or server.path)


WIDE = _asked(OURS, ours, INFER.replace("loan", "wide"))
PEERS = (_asked(KSERVE_ONNX, v2), _asked(MLSERVER_ONNX, v2), _asked(BENTOML_ONNX, nested))
