"""A model of 50 columns, 15 of them categories of up to 50 levels: what a wide record costs."""

import json
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from benchmarks import load, payloads
from benchmarks.load import CACHE, Body
from benchmarks.servers import INFER, KSERVE, OURS, Server, install, running
from tabular_model.declaration import Declaration
from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tabular_model.schema import Column, Target
from training_job.progress import Progress
from training_job.run import Training, run_training

NUMBERS, CATEGORIES, MOST_LEVELS = 35, 15, 50
ROUNDS, SECONDS, AT_ONCE = 3, 2.0, 16
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


def table(loan: Path) -> str:
    """Requests a second of one row in V2 JSON, a tensor for each column, beside KServe's predictor; as Markdown.

    KServe's is sent the codes of the levels in one tensor, as its example has no words for them. `loan` is a registry
    with the shipped model.
    """
    wide = trained()
    asked: list[tuple[str, Server, Path]] = [
        ("loan, 7 columns", OURS._replace(body=lambda _: _columns(_loan_row(), Registry.open(loan))), loan),
        ("loan, 50 columns", OURS._replace(path=INFER.replace("loan", "wide"), body=lambda _: _wide_body(wide)), wide),
        ("KServe predictor, 7 columns", KSERVE, loan),
        ("KServe predictor, 50 columns", KSERVE._replace(body=lambda _: _codes(wide)), wide),
    ]
    install(KSERVE)
    lines = ["| server | requests/s |", "| --- | --- |"]
    for number, (name, server, registry) in enumerate(asked):
        with running(server, registry, 9500 + 10 * number) as started:
            body = server.body
            assert body is not None
            rates = [load.http(started.url(), body(1), AT_ONCE, SECONDS).rate for _ in range(ROUNDS + 1)][1:]
        lines.append(f"| {name} | {median(rates):.0f} |")
    return "\n".join([*lines, "", *(_reasons(name, each) for name, each in (("7", loan), ("50", wide)))])


def trained() -> Path:
    """A registry with one version, gradient boosting."""
    root = CACHE / "registry-wide"
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


def _loan_row() -> dict[str, object]:
    return dict(json.loads(payloads.records(1).content)[0])


def _wide_row() -> dict[str, object]:
    return dict(json.loads(generate(4, seed=1)[3:].drop(columns="outcome").to_json(orient="records"))[0])


def _columns(row: dict[str, object], registry: Registry) -> Body:
    """A tensor for each column of the row."""
    columns = registry.manifest("v1").schema
    inputs = [
        {"name": column.name, "datatype": DATATYPES[column.type], "shape": [1], "data": [row[column.name]]}
        for column in columns
    ]
    return Body(json.dumps({"inputs": inputs}).encode())


def _wide_body(registry: Path) -> Body:
    return _columns(_wide_row(), Registry.open(registry))


def _codes(registry: Path) -> Body:
    """The same row as one tensor of numbers, a level as its code."""
    row = _wide_row()
    values = [
        column.levels.index(str(row[column.name]))
        if column.levels and row[column.name] is not None
        else row[column.name]
        for column in Registry.open(registry).manifest("v1").schema
    ]
    tensor = {"name": "x", "datatype": "FP64", "shape": [1, len(values)], "data": values}
    return Body(json.dumps({"inputs": [tensor]}).encode())
