"""Compile a fitted pipeline to ONNX in float64, and prove that it is the same model.

The graph takes `X`, float64 [n, columns of the schema] with NaN for missing, and gives `probability`, float64
[n]. It is written by hand: skl2onnx compiles boosting to TreeEnsembleClassifier, whose scores are float32 only,
and onnxruntime refuses the graph that skl2onnx writes for float64 input. The TreeEnsemble operator of
ai.onnx.ml 5 computes in float64.
"""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

import msgspec
import numpy as np
import onnx
import pandas as pd
from numpy.typing import NDArray
from onnx import TensorProto, helper
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from loan_model import tables
from loan_model.errors import CompileError
from loan_model.pipeline import probability
from loan_model.schema import SCHEMA
from loan_model.scorer import ONNX, TABLES, Scorer
from loan_model.tables import Tables

TOLERANCE = 1e-6
RANDOM_ROWS = 100_000
SHOWN = 3  # differing rows that the error names
OPSETS = (helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 5))
IR_VERSION = 10

Floats = NDArray[np.float64]


class Comparison(msgspec.Struct, frozen=True):
    """That the compiled model equals the original: rows compared and the largest |difference|."""

    rows: int
    largest_difference: float
    tolerance: float = TOLERANCE


def compile_pipeline(pipeline: Pipeline) -> dict[str, bytes]:
    """The files that serve, for a fitted pipeline of `loan_model.pipeline.build`.

    `model.onnx` always; `tables.npz` where the model is of trees small enough for it.
    """
    files = {ONNX: _onnx(pipeline)}
    if isinstance(pipeline["model"], HistGradientBoostingClassifier):
        trees = [predictor.nodes for (predictor,) in pipeline["model"]._predictors]
        baseline = float(pipeline["model"]._baseline_prediction[0, 0])
        if built := tables.build(trees, _columns(pipeline), baseline):
            files[TABLES] = built.encode()
    return files


def _onnx(pipeline: Pipeline) -> bytes:
    if isinstance(pipeline["model"], HistGradientBoostingClassifier):
        nodes, constants = _boosting(pipeline)
    else:
        nodes, constants = _logistic(pipeline)
    nodes += [
        helper.make_node("Sigmoid", ["log_odds"], ["column"]),
        helper.make_node("Reshape", ["column", "flat"], ["probability"]),
    ]
    constants["flat"] = np.array([-1], dtype=np.int64)
    graph = helper.make_graph(
        nodes,
        "loan",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, ["n", len(SCHEMA.names)])],
        [helper.make_tensor_value_info("probability", TensorProto.DOUBLE, ["n"])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=OPSETS, ir_version=IR_VERSION, producer_name="loan-model")
    onnx.checker.check_model(model)
    return model.SerializeToString()


def check_equal(pipeline: Pipeline, files: Mapping[str, bytes], threshold: float, seed: int) -> Comparison:
    """Compare each of the compiled model's files with `pipeline`.

    The rows are random, on every split, and of every pattern of missing values.

    CompileError names rows whose probabilities differ by more than `TOLERANCE` or whose decisions differ.
    """
    rows = np.concatenate(list(_trials(pipeline, np.random.default_rng(seed))))
    original = probability(pipeline, pd.DataFrame(rows, columns=list(SCHEMA.names)))
    scored = [Scorer({ONNX: files[ONNX]}, "the compiled model").probabilities(rows)]
    if TABLES in files:
        decoded = Tables.decode(files[TABLES])
        one_by_one = [decoded.probabilities(rows[number : number + 1]) for number in range(len(rows))]
        scored += [decoded.probabilities(rows), np.concatenate(one_by_one)]
    for compiled in scored:
        unlike = ~(np.abs(original - compiled) <= TOLERANCE) | ((original >= threshold) != (compiled >= threshold))
        if unlike.any():
            raise CompileError(_unlike(rows, original, compiled, np.flatnonzero(unlike)))
    return Comparison(rows=len(rows), largest_difference=float(np.abs(original - np.array(scored)).max()))


def _columns(pipeline: Pipeline) -> list[int]:
    positions: list[int] = pipeline["columns"].transformers_[0][2]
    return positions


def _logistic(pipeline: Pipeline) -> tuple[list[onnx.NodeProto], dict[str, NDArray[Any]]]:
    model: LogisticRegression = pipeline["model"]
    constants = {
        "columns": np.array(_columns(pipeline), dtype=np.int64),
        "fill": pipeline["impute"].statistics_,
        "mean": pipeline["scale"].mean_,
        "scale": pipeline["scale"].scale_,
        "weights": model.coef_.T,
        "intercept": model.intercept_,
    }
    nodes = [
        helper.make_node("Gather", ["X", "columns"], ["values"], axis=1),
        helper.make_node("IsNaN", ["values"], ["missing"]),
        helper.make_node("Where", ["missing", "fill", "values"], ["filled"]),
        helper.make_node("Sub", ["filled", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "weights"], ["weighted"]),
        helper.make_node("Add", ["weighted", "intercept"], ["log_odds"]),
    ]
    return nodes, constants


def _boosting(pipeline: Pipeline) -> tuple[list[onnx.NodeProto], dict[str, NDArray[Any]]]:
    trees = _Trees(_columns(pipeline))
    for (predictor,) in pipeline["model"]._predictors:
        trees.add(predictor.nodes)
    baseline: Floats = np.asarray(pipeline["model"]._baseline_prediction, dtype=np.float64)
    nodes = [
        helper.make_node("TreeEnsemble", ["X"], ["raw"], domain="ai.onnx.ml", **trees.attributes()),
        helper.make_node("Add", ["raw", "baseline"], ["log_odds"]),
    ]
    return nodes, {"baseline": baseline}


class _Trees:
    """The attributes of a TreeEnsemble: inner nodes and leaves of all trees, each in one flat list."""

    def __init__(self, columns: list[int]) -> None:
        self.columns = columns
        self.roots: list[int] = []
        self.inner: list[tuple[int, float, bool]] = []  # column, threshold, missing goes left
        self.left: list[tuple[int, bool]] = []  # index of the child, whether it is a leaf
        self.right: list[tuple[int, bool]] = []
        self.leaves: list[float] = []

    def add(self, nodes: NDArray[Any]) -> None:
        """Add a tree of scikit-learn's structured array of nodes, root first."""
        self.roots.append(len(self.inner))
        if nodes[0]["is_leaf"]:  # the operator's root must be a split: one with the leaf on both sides
            leaf = self._leaf(nodes[0]["value"])
            self.inner.append((0, 0.0, True))
            self.left.append(leaf)
            self.right.append(leaf)
            return
        splits = np.flatnonzero(nodes["is_leaf"] == 0)
        place = {int(node): len(self.inner) + k for k, node in enumerate(splits)}
        for node in nodes[splits]:
            column = self.columns[node["feature_idx"]]
            self.inner.append((column, float(node["num_threshold"]), bool(node["missing_go_to_left"])))
            for child, side in ((node["left"], self.left), (node["right"], self.right)):
                leaf = nodes[child]["is_leaf"]
                side.append(self._leaf(nodes[child]["value"]) if leaf else (place[int(child)], False))

    def _leaf(self, value: float) -> tuple[int, bool]:
        self.leaves.append(float(value))
        return len(self.leaves) - 1, True

    def attributes(self) -> dict[str, Any]:
        columns, thresholds, missing_left = zip(*self.inner, strict=True)
        return {
            "n_targets": 1,
            "aggregate_function": 1,  # sum
            "post_transform": 0,  # none
            "tree_roots": self.roots,
            "nodes_featureids": columns,
            "nodes_modes": helper.make_tensor("modes", TensorProto.UINT8, [len(columns)], [0] * len(columns)),
            "nodes_splits": helper.make_tensor("splits", TensorProto.DOUBLE, [len(columns)], thresholds),
            "nodes_missing_value_tracks_true": [int(left) for left in missing_left],
            "nodes_truenodeids": [index for index, _ in self.left],
            "nodes_trueleafs": [int(leaf) for _, leaf in self.left],
            "nodes_falsenodeids": [index for index, _ in self.right],
            "nodes_falseleafs": [int(leaf) for _, leaf in self.right],
            "leaf_targetids": [0] * len(self.leaves),
            "leaf_weights": helper.make_tensor("weights", TensorProto.DOUBLE, [len(self.leaves)], self.leaves),
        }


def _trials(pipeline: Pipeline, rng: np.random.Generator) -> Iterable[Floats]:
    """Rows [n, columns] to compare on: random, at and beside every split, every pattern of missing values."""
    rows = _random_rows(RANDOM_ROWS, rng)
    rows[rng.random(rows.shape) < 0.05] = np.nan
    yield rows
    for column, threshold in sorted(_splits(pipeline)):
        around = _random_rows(3, rng)
        around[:, column] = np.nextafter(threshold, [-np.inf, threshold, np.inf])
        yield around
    patterns = np.array(list(product([False, True], repeat=len(SCHEMA.names))))
    yield np.where(np.repeat(patterns, 8, axis=0), np.nan, _random_rows(8 * len(patterns), rng))


def _random_rows(rows: int, rng: np.random.Generator) -> Floats:
    """Rows over the schema's ranges and a fifth of them beyond, whole numbers in integer columns."""
    low = np.array([column.minimum for column in SCHEMA.columns], dtype=np.float64)
    high = np.array([column.maximum for column in SCHEMA.columns], dtype=np.float64)
    margin = (high - low) / 10
    drawn = rng.uniform(low - margin, high + margin, (rows, len(low)))
    whole = np.array([column.dtype == "integer" for column in SCHEMA.columns])
    return np.where(whole, np.round(drawn), drawn)


def _splits(pipeline: Pipeline) -> set[tuple[int, float]]:
    """The distinct (column, threshold) of all trees; none for a linear model."""
    if not isinstance(pipeline["model"], HistGradientBoostingClassifier):
        return set()
    columns = _columns(pipeline)
    nodes = np.concatenate([predictor.nodes for (predictor,) in pipeline["model"]._predictors])
    inner = nodes[nodes["is_leaf"] == 0]
    finite = inner[np.isfinite(inner["num_threshold"])]  # infinite: missing against present
    return {(columns[n["feature_idx"]], float(n["num_threshold"])) for n in finite}


def _unlike(rows: Floats, original: Floats, compiled: Floats, which: NDArray[np.int64]) -> str:
    shown = "; ".join(
        f"row {i} {dict(zip(SCHEMA.names, rows[i].tolist(), strict=True))}: {original[i]:.9f} by scikit-learn, "
        f"{compiled[i]:.9f} compiled"
        for i in which[:SHOWN]
    )
    return f"The compiled model and the pipeline differ on {len(which)} of {len(rows)} trial rows: {shown}."
