"""Scoring a portfolio: `loan predict` on one machine and on Spark, and what a user of Spark would do otherwise."""

import os
import shutil
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet

from benchmarks import machine
from benchmarks.load import CACHE, on
from benchmarks.servers import BIN, PEERS, SCORERS, Server, install
from loan_model.synthetic import LOAN, generate

MILLION = 1_000_000
FEW, MANY = 10 * MILLION, 100 * MILLION
PEER = Server("Spark UDFs", ("mlflow-skinny==3.17.2", "pyspark==4.1.4", "pandas==2.3.3", "pyarrow", *SCORERS), "")


class Way(NamedTuple):
    """One way of scoring the table: its command, and the cores that it has."""

    name: str
    command: list[str | Path]
    cores: str


class Measured(NamedTuple):
    """Seconds of the whole command, and the most memory of all its processes together, MB."""

    seconds: float
    memory: float


def write(registry: Path, target: Path, most: int = MANY) -> None:
    install(PEER)
    lines = [f"Measured on {machine.described()}.", ""]
    lines += ["| by | cores | rows | rows/s | rows/s a core | most memory, MB |", "|---|---|---|---|---|---|"]
    for rows in (FEW, most):
        source = table(rows)
        for way in ways(registry, source, rows):
            found = run(way)
            cores = len(way.cores.split(","))
            speed = f"{rows / found.seconds:,.0f} | {rows / found.seconds / cores:,.0f}"
            lines.append(f"| {way.name} | {cores} | {rows:,} | {speed} | {found.memory:,.0f} |")
            print(lines[-1], flush=True)
    target.write_text("\n".join(lines) + "\n")


def ways(registry: Path, source: Path, rows: int) -> list[Way]:
    """Those that are much slower than ours are measured on the fewer rows alone."""
    output = CACHE / "scale-scored"
    loan: list[str | Path] = [BIN / "loan", "predict", "--registry", registry, "--input", source, "--overwrite"]
    spark = [*loan, "--engine", "spark", "--conf", "spark.driver.memory=2g", "--output", output]
    peer: list[str | Path] = [PEER.home / "bin/python", PEERS / "spark_udf.py"]
    files: list[str | Path] = [source, output, registry / "v1/model.joblib"]
    ours = [
        Way("`loan predict`", [*loan, "--output", output.with_suffix(".parquet")], "0"),
        Way("`loan predict --engine spark`", [*spark, "--master", "local[1]"], "0"),
        Way("`loan predict --engine spark`", [*spark, "--master", "local[2]"], "0,1"),
    ]
    others = [
        Way("pandas UDF of scikit-learn", [*peer, "pandas", "local[1]", *files], "0"),
        Way("pandas UDF of scikit-learn", [*peer, "pandas", "local[2]", *files], "0,1"),
        Way("MLflow's `spark_udf`", [*peer, "mlflow", "local[1]", *files], "0"),
        Way("MLflow's `spark_udf`", [*peer, "mlflow", "local[2]", *files], "0,1"),
    ]
    return ours if rows > FEW else ours + others


def table(rows: int) -> Path:
    """A folder of Parquet, a file for each million of applications, each with its customer's number."""
    folder = CACHE / f"applications-{rows}"
    if not (folder / "_SUCCESS").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for part in range(rows // MILLION):
            frame = generate(MILLION, seed=part)[list(LOAN.schema.names)]
            frame.insert(0, "Customer", np.arange(part * MILLION, (part + 1) * MILLION))
            pa.parquet.write_table(
                pa.Table.from_pandas(frame, preserve_index=False), folder / f"part-{part:05}.parquet"
            )
        (folder / "_SUCCESS").touch()
    return folder


def run(way: Way) -> Measured:
    """Runs it, and looks at all its processes several times a second."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": "", "LOAN_RUN": "benchmark"}
    started = time.perf_counter()
    process = subprocess.Popen([*on(way.cores), *way.command], env=environment, stdout=subprocess.DEVNULL)
    most = [0.0]
    watching = threading.Thread(target=_watch, args=(process, most), daemon=True)
    watching.start()
    if process.wait():
        raise RuntimeError(f"{way.name} failed: {way.command}")
    seconds = time.perf_counter() - started
    watching.join()
    return Measured(seconds, most[0] / 1e6)


def _watch(process: "subprocess.Popen[bytes]", most: list[float]) -> None:
    root = psutil.Process(process.pid)
    while process.poll() is None:
        memory = 0
        with suppress(psutil.Error):
            for each in (root, *root.children(recursive=True)):
                with suppress(psutil.Error):
                    memory += each.memory_info().rss
        most[0] = max(most[0], memory)
        time.sleep(0.2)
