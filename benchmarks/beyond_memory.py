"""Training on more rows than memory holds: in memory, streamed, and on Spark."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from benchmarks import machine, scale, wide
from benchmarks.load import CACHE
from benchmarks.scale import MILLION, Way
from benchmarks.servers import BIN

ENGINES = {"stream": [MILLION, 10 * MILLION], "spark": [10 * MILLION], "memory": [MILLION]}
GRID = 50  # steps of a number from one to the next whole number


def write(target: Path) -> None:
    lines = [f"Gradient boosting, 50 columns, 100 trees, by `loan train`. Measured on {machine.described()}.", ""]
    lines += ["| engine | rows | seconds | most memory, MB | AUC (95 % interval) |", "|---|---|---|---|---|"]
    for engine, sizes in ENGINES.items():
        for rows in sizes:
            registry = CACHE / "beyond-memory"
            shutil.rmtree(registry, ignore_errors=True)
            found = scale.run(_way(engine, table(rows), registry))
            auc = json.loads((registry / "v1/metrics.json").read_bytes())["holdout"]["auc"]
            interval = f"{auc['value']:.4f} ({auc['low']:.4f} to {auc['high']:.4f})"
            lines.append(f"| {engine} | {rows:,} | {found.seconds:.0f} | {found.memory:,.0f} | {interval} |")
            print(lines[-1], flush=True)
    target.write_text("\n".join(lines) + "\n")


def table(rows: int) -> Path:
    """A folder of Parquet with the columns of `wide`, a file for each million of rows."""
    folder = CACHE / f"wide-{rows}"
    folder.mkdir(parents=True, exist_ok=True)
    for part in range(rows // MILLION):
        file = folder / f"part-{part:05}.parquet"
        if not file.exists():
            pa.parquet.write_table(_rows(MILLION, part), file.with_suffix(".new"))
            file.with_suffix(".new").rename(file)
    return folder


def _rows(rows: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    columns, score = {}, np.zeros(rows)
    for column in wide.declaration().columns:
        missing = rng.random(rows) < 0.05 if column.missing else None
        if column.type == "category":
            codes = rng.integers(0, len(column.levels), rows, dtype=np.int32)
            score += np.sin(codes) / 2
            columns[column.name] = pa.DictionaryArray.from_arrays(pa.array(codes, mask=missing), column.levels)
        else:
            values = np.round(rng.normal(size=rows) * GRID).clip(-4 * GRID, 4 * GRID) / GRID
            score += values / 4
            columns[column.name] = pa.array(values.astype(np.float32), mask=missing)
    columns["outcome"] = pa.array((rng.random(rows) < 1 / (1 + np.exp(-score))).astype(np.int8))
    return pa.table(columns)


def _way(engine: str, data: Path, registry: Path) -> Way:
    declared = CACHE / "wide.yaml"
    declared.write_text(wide.declaration().dump())
    command: list[str | Path] = [BIN / "loan", "train", "--data", data, "--registry", registry, "--model", declared]
    command += ["--algorithm", "gradient_boosting", "--engine", engine]
    if engine == "spark":
        command += ["--master", "local[2]", "--conf", "spark.driver.memory=2g"]
    return Way(engine, command, "0,1")
