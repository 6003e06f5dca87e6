"""Prints rows a second of each way to score the trees of a version, for 1, 1 000 and 100 000 rows."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

folder, threads = Path(sys.argv[1]), int(sys.argv[2])
os.environ["OMP_NUM_THREADS"] = sys.argv[2]
sys.path.insert(0, str(Path(__file__).parents[2]))

import joblib  # noqa: E402 - after the number of threads is set
import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
import tl2cgen  # noqa: E402
import treelite  # noqa: E402

from tabular_model.scoring.tables import Tables  # noqa: E402

SECONDS = 1.0
pipeline = joblib.load(folder / "model.joblib")
columns = pipeline["columns"].transformers_[0][2]
random = np.random.default_rng(0)
low, high = np.array([18, 3e4, 300, 5e3, 1, 0, 0]), np.array([69, 2e5, 850, 5e4, 30, 15, 1])
matrix = random.uniform(low, high, (100_000, 7))
matrix[random.random(matrix.shape) < 0.02] = np.nan

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
tables = Tables.decode((folder / "tables.npz").read_bytes())
forest = treelite.sklearn.import_model(pipeline["model"])
library = Path(tempfile.mkdtemp()) / "trees.so"
tl2cgen.export_lib(forest, toolchain="gcc", libpath=library, params={"parallel_comp": 4})
compiled = tl2cgen.Predictor(library, nthread=threads)

WAYS = {
    "onnxruntime": lambda rows: session.run(["probability"], {"X": rows})[0],
    "tables": tables.probabilities,
    "treelite": lambda rows: treelite.gtil.predict(forest, rows[:, columns], nthread=threads).ravel(),
    "tl2cgen, compiled C": lambda rows: compiled.predict(tl2cgen.DMatrix(rows[:, columns], dtype="float64")).ravel(),
    "scikit-learn": lambda rows: pipeline.predict_proba(rows)[:, 1],
}


def rate(way, rows: int) -> float:
    """Over rows that differ from call to call, so that no branch predictor learns them by heart."""
    done, started, place = 0, time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < SECONDS:
        way(matrix[place : place + rows])
        done += rows
        place = (place + rows) % len(matrix)
    return done / elapsed


expected = pipeline.predict_proba(matrix)[:, 1]
found = {}
for name, way in WAYS.items():
    assert np.abs(way(matrix) - expected).max() < 1e-6, name
    found[name] = [rate(way, rows) for rows in (1, 1000, 100_000)]
print(json.dumps(found))
