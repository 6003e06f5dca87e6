"""`loan predict` on a file of ten million applications, beside pandas and scikit-learn."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from benchmarks.load import CACHE
from benchmarks.servers import BIN
from loan_model.synthetic import LOAN, generate

ROWS = 10_000_000
_PANDAS = """
import sys, joblib, pandas as pd
source, target, model = sys.argv[1:]
read, write = (pd.read_csv, "to_csv") if source.endswith("csv") else (pd.read_parquet, "to_parquet")
frame = read(source)
frame["probability"] = joblib.load(model).predict_proba(frame.astype(float))[:, 1]
getattr(frame, write)(target, index=False)
"""


def table(registry: Path, rows: int = ROWS) -> str:
    lines = ["| file | by | rows | rows/s | most memory, MB |", "|---|---|---|---|---|"]
    for suffix in ("csv", "parquet"):
        source, target = _file(rows, suffix), CACHE / f"scored.{suffix}"
        files = ["--input", source, "--output", target]
        ways = {
            "loan predict": [BIN / "loan", "predict", *files, "--registry", registry],
            "pandas and scikit-learn": [sys.executable, "-c", _PANDAS, source, target, registry / "v1/model.joblib"],
        }
        for name, command in ways.items():
            seconds, memory = _run(command)
            lines.append(f"| {suffix} | {name} | {rows:,} | {rows / seconds:,.0f} | {memory:.0f} |")
        target.unlink()
    return "\n".join(lines)


def _file(rows: int, suffix: str) -> Path:
    """Synthetic applications, a million of them again and again."""
    path = CACHE / f"applications-{rows}.{suffix}"
    if not path.exists():
        once = pa.Table.from_pandas(
            generate(min(rows, 1_000_000), seed=3)[list(LOAN.schema.names)], preserve_index=False
        )
        writer = pa.parquet.ParquetWriter if suffix == "parquet" else pa.csv.CSVWriter
        with writer(path, once.schema) as file:
            for _ in range(max(rows // 1_000_000, 1)):
                file.write_table(once)
    return path


def _run(command: list[str | Path]) -> tuple[float, float]:
    """Seconds, and the most resident memory that was seen, MB."""
    started, most = time.perf_counter(), 0.0
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        most = max(most, process.memory_info().rss / 1e6)
        time.sleep(0.05)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return time.perf_counter() - started, most
