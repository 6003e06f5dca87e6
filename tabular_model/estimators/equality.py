"""Proof that the compiled model is the model that was fitted: both score the same test rows."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from tabular_model.comparison import TOLERANCES, Comparison
from tabular_model.errors import CompileError, IntegrityError, first_line
from tabular_model.estimators.family import Compiled, probability
from tabular_model.schema import Schema
from tabular_model.scoring.scorer import ONNX, TABLES, Scorer
from tabular_model.scoring.tables import Tables

TOLERANCE = TOLERANCES["float64"]
MOST_BEYOND = {"float64": 0.0, "float32": 0.05}  # share of the test rows that may differ by more than the tolerance
RANDOM_ROWS = 100_000
PATTERN_ROWS = 8  # of each pattern of missing values
SHOWN = 3  # differing rows that the error names

Floats = NDArray[np.float64]


def check_equal(pipeline: Pipeline, compiled: Compiled, schema: Schema, threshold: float, seed: int) -> Comparison:
    """Compare each of the compiled model's files with `pipeline` on test rows.

    Those are at and beside every split, of every level, of every single and pairwise pattern of missing values, and
    random. CompileError names rows whose probabilities differ by more than the tolerance or whose decisions differ; in
    float32 there may be a few, which are counted.
    """
    rng = np.random.default_rng(seed)
    rows = np.concatenate(list(_trials(schema, compiled.splits, rng)))
    if not compiled.missing_anywhere:
        never = np.isnan(rows) & [not column.missing for column in schema.columns]
        rows = np.where(never, _random_rows(schema, len(rows), rng), rows)
    original = _original(pipeline, rows, schema)
    tolerance = TOLERANCES[compiled.arithmetic]
    try:
        scored = _scored(compiled.files, rows)
    except IntegrityError as error:
        raise CompileError(f"The compiled model does not run: {' '.join(str(error).split())}") from error
    beyond = decided = 0
    for found in scored:
        differs = ~(np.abs(original - found) <= tolerance)
        otherwise = (original >= threshold) != (found >= threshold)
        unlike = differs | otherwise
        if unlike.mean() > MOST_BEYOND[compiled.arithmetic]:
            raise CompileError(_unlike(schema.names, rows, original, found, np.flatnonzero(unlike)))
        beyond, decided = max(beyond, int(differs.sum())), max(decided, int(otherwise.sum()))
    largest = float(np.abs(original - np.array(scored)).max())
    return Comparison(len(rows), largest, tolerance, compiled.arithmetic, beyond, decided)


def _original(pipeline: Pipeline, rows: Floats, schema: Schema) -> Floats:
    try:
        return probability(pipeline, pd.DataFrame(rows, columns=list(schema.names)))
    except Exception as error:  # of a pipeline of one's own, that has not learned what it may meet
        raise CompileError(
            "The pipeline cannot score rows that the declaration allows, with missing values and every level: "
            f"{first_line(error)}."
        ) from error


def _scored(files: Mapping[str, bytes], rows: Floats) -> list[Floats]:
    """By each file that scores, and by tables both many rows at once and row by row, which are different code."""
    scored = [Scorer({ONNX: files[ONNX]}, "the compiled model").probabilities(rows)]
    if TABLES in files:
        decoded = Tables.decode(files[TABLES])
        one_by_one = [decoded.probabilities(rows[number : number + 1]) for number in range(len(rows))]
        scored += [decoded.probabilities(rows), np.concatenate(one_by_one)]
    return scored


def _trials(schema: Schema, splits: Iterable[tuple[int, float]], rng: np.random.Generator) -> Iterable[Floats]:
    rows = _random_rows(schema, RANDOM_ROWS, rng)
    rows[rng.random(rows.shape) < _missing_shares(len(rows), rng)] = np.nan
    yield rows
    for column, threshold in sorted(splits):
        around = _random_rows(schema, 3, rng)
        around[:, column] = np.nextafter(threshold, [-np.inf, threshold, np.inf])
        yield around
    for index, described in enumerate(schema.columns):
        levels = _random_rows(schema, len(described.levels), rng)
        levels[:, index] = np.arange(len(levels))
        yield levels
    width = range(len(schema))
    patterns = [(), *combinations(width, 1), *combinations(width, 2), tuple(width)]
    missing = np.zeros((len(patterns), len(schema)), dtype=bool)
    for pattern, hidden in zip(missing, patterns, strict=True):
        pattern[list(hidden)] = True
    drawn = _random_rows(schema, PATTERN_ROWS * len(patterns), rng)
    yield np.where(np.repeat(missing, PATTERN_ROWS, axis=0), np.nan, drawn)


def _missing_shares(rows: int, rng: np.random.Generator) -> Floats:
    """Half of the rows miss a value in twenty, the others any share of theirs [rows, 1]."""
    shares = np.where(rng.random(rows) < 0.5, 0.05, rng.random(rows))
    return shares[:, None]


def _random_rows(schema: Schema, rows: int, rng: np.random.Generator) -> Floats:
    """Rows over the schema's ranges and a fifth of them beyond, whole numbers where the column's are, known levels."""
    low = np.array([column.minimum for column in schema.columns], dtype=np.float64)
    high = np.array([column.maximum for column in schema.columns], dtype=np.float64)
    margin = np.where([column.type == "category" for column in schema.columns], 0.0, (high - low) / 10)
    drawn = rng.uniform(low - margin, high + margin, (rows, len(low)))
    return np.where([column.whole for column in schema.columns], np.round(drawn), drawn)


def _unlike(names: Sequence[str], rows: Floats, original: Floats, compiled: Floats, which: NDArray[np.int64]) -> str:
    shown = "; ".join(
        f"row {i} {dict(zip(names, rows[i].tolist(), strict=True))}: {original[i]:.9f} by scikit-learn, "
        f"{compiled[i]:.9f} compiled"
        for i in which[:SHOWN]
    )
    return f"The compiled model and the pipeline differ on {len(which)} of {len(rows)} test rows: {shown}."
