"""Logistic regression: numbers imputed by their mean and scaled, categories one-hot with missing as one more level."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from onnx import NodeProto, helper
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tabular_model.estimators.family import Compiled
from tabular_model.estimators.graph import Constants, log_odds_graph
from tabular_model.estimators.newton import regress
from tabular_model.explain.linear import FILE as EXPLANATION
from tabular_model.explain.linear import Additive, Levels, Linear
from tabular_model.parameters import Parameters
from tabular_model.schema import Schema
from tabular_model.scoring.scorer import ONNX
from tabular_model.totals import Added, Total

NUMBERS, CATEGORIES = "numbers", "categories"


def build(schema: Schema, features: Sequence[str], parameters: Parameters, seed: int) -> Pipeline:
    """An unfitted pipeline that takes the matrix [n, columns of the schema] and uses the columns `features`."""
    numbers = [name for name in features if schema[name].type != "category"]
    categories = [name for name in features if schema[name].type == "category"]
    scaled = Pipeline(
        [("impute", SimpleImputer(strategy="mean", keep_empty_features=True)), ("scale", StandardScaler())]
    )
    levels = [np.append(np.arange(len(schema[name].levels), dtype=np.float64), np.nan) for name in categories]
    one_hot = OneHotEncoder(categories=levels, handle_unknown="ignore", sparse_output=False)
    chosen = [(NUMBERS, scaled, schema.positions(numbers)), (CATEGORIES, one_hot, schema.positions(categories))]
    model = LogisticRegression(**_given(parameters), solver="newton-cholesky", random_state=seed)
    return Pipeline([("columns", ColumnTransformer([each for each in chosen if each[2]])), ("model", model)])


@dataclass(frozen=True)
class Moments(Added):
    """How many rows there are, how many approved, and of each column its values, their sum and that of their squares.

    Values are less `centre` [columns], a number near their mean, so that squares lose no digits.
    """

    rows: int
    approved: int
    values: NDArray[np.int64]
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]


@dataclass(frozen=True)
class MomentsOf:
    """The moments of some rows' columns at these positions."""

    positions: list[int]
    centre: NDArray[np.float64]

    def __call__(self, matrix: NDArray[np.float64], target: NDArray[np.int64]) -> Moments:
        """Of rows [n, columns of the schema] and their target [n]."""
        values = matrix[:, self.positions] - self.centre
        present = ~np.isnan(values)
        held = np.where(present, values, 0.0)
        return Moments(len(target), int(target.sum()), present.sum(axis=0), held.sum(axis=0), (held**2).sum(axis=0))


@dataclass(frozen=True)
class OfMatrix:
    """Fitted columns, for a matrix in place of a frame."""

    columns: ColumnTransformer

    def transform(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n, columns of the schema] to [n, d]."""
        return np.asarray(self.columns.transform(pd.DataFrame(matrix, columns=self.columns.feature_names_in_)))


def fit_to_all(pipeline: Pipeline, total: Total) -> Pipeline:
    """The pipeline, fitted to a sample, fitted to the rows that `total` sums over: as if they had been in memory."""
    columns, model = pipeline["columns"], pipeline["model"]
    moments = _take_moments(columns, total)
    balanced = (moments.rows / (2 * (moments.rows - moments.approved)), moments.rows / (2 * moments.approved))
    weights = balanced if model.class_weight == "balanced" else (1.0, 1.0)
    start = np.append(model.coef_[0], model.intercept_)
    found = regress(total, OfMatrix(columns), start, model.C, model.max_iter, weights)
    model.coef_, model.intercept_ = found[None, :-1], found[-1:]
    return pipeline


def _take_moments(columns: ColumnTransformer, total: Total) -> Moments:
    """Sets the means and scales of the numbers."""
    scaled = columns.named_transformers_.get(NUMBERS)
    if scaled is None:
        return total(MomentsOf([], np.empty(0)))
    (positions,) = (positions for name, _, positions in columns.transformers_ if name == NUMBERS)
    imputer, scaler = scaled["impute"], scaled["scale"]
    centre = imputer.statistics_
    moments = total(MomentsOf(positions, centre))
    shift = moments.sums / np.maximum(moments.values, 1)
    imputer.statistics_ = scaler.mean_ = centre + shift
    scaler.var_ = (moments.squares - moments.values * shift**2) / moments.rows
    scaler.scale_ = np.where(scaler.var_ > 0, np.sqrt(scaler.var_), 1.0)
    scaler.n_samples_seen_ = moments.rows
    return moments


def compile(pipeline: Pipeline, schema: Schema) -> Compiled:
    """ONNX in float64, and each column's part in the log-odds for explanations."""
    model: LogisticRegression = pipeline["model"]
    nodes: list[NodeProto] = []
    constants: Constants = {"intercept": model.intercept_}
    parts: list[Linear | Levels] = []
    sums: list[str] = []
    start = 0
    for name, transformer, positions in pipeline["columns"].transformers_:
        if name == NUMBERS:
            weights = model.coef_[0, start : start + len(positions)]
            parts += _numbers(transformer, positions, weights, nodes, constants)
        elif name == CATEGORIES:
            sizes = [len(levels) for levels in transformer.categories_]
            weights = model.coef_[0, start : start + sum(sizes)]
            parts += _categories(positions, sizes, weights, nodes, constants)
        else:
            continue
        start += len(weights)
        sums.append(f"sum_of_{name}")
    nodes.append(helper.make_node("Sum", [*sums, "intercept"], ["log_odds"]))
    additive = Additive.of(parts, len(schema))
    files = {ONNX: log_odds_graph(nodes, constants, len(schema)), EXPLANATION: additive.encode()}
    return Compiled(files, frozenset())


def _given(parameters: Parameters) -> dict[str, Any]:
    return {name: getattr(parameters, name) for name in parameters.__struct_fields__}


def _numbers(
    scaled: Pipeline, positions: list[int], weights: NDArray[np.float64], nodes: list[NodeProto], constants: Constants
) -> list[Linear | Levels]:
    fill, mean, scale = scaled["impute"].statistics_, scaled["scale"].mean_, scaled["scale"].scale_
    constants |= {
        "columns": np.array(positions, dtype=np.int64),
        "fill": fill,
        "mean": mean,
        "scale": scale,
        "weights": weights[:, None],
    }
    nodes += [
        helper.make_node("Gather", ["X", "columns"], ["values"], axis=1),
        helper.make_node("IsNaN", ["values"], ["missing"]),
        helper.make_node("Where", ["missing", "fill", "values"], ["filled"]),
        helper.make_node("Sub", ["filled", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "weights"], [f"sum_of_{NUMBERS}"]),
    ]
    return [Linear(p, float(w / s), float(f)) for p, w, s, f in zip(positions, weights, scale, fill, strict=True)]


def _categories(
    positions: list[int], sizes: list[int], weights: NDArray[np.float64], nodes: list[NodeProto], constants: Constants
) -> list[Linear | Levels]:
    """One table holds the weights of all levels, a column's behind those of the columns before it, missing last."""
    starts = np.cumsum([0, *sizes[:-1]])
    constants |= {
        "categories": np.array(positions, dtype=np.int64),
        "last": np.array(sizes, dtype=np.float64) - 1,
        "starts": starts.astype(np.float64),
        "table": weights,
        "ones": np.ones((len(sizes), 1)),
    }
    nodes += [
        helper.make_node("Gather", ["X", "categories"], ["codes"], axis=1),
        helper.make_node("IsNaN", ["codes"], ["unknown"]),
        helper.make_node("Where", ["unknown", "last", "codes"], ["known"]),
        helper.make_node("Add", ["known", "starts"], ["places"]),
        helper.make_node("Cast", ["places"], ["indices"], to=7),  # int64
        helper.make_node("Gather", ["table", "indices"], ["looked_up"]),
        helper.make_node("MatMul", ["looked_up", "ones"], [f"sum_of_{CATEGORIES}"]),
    ]
    return [
        Levels(position, tuple(weights[start : start + size].tolist()))
        for position, start, size in zip(positions, starts, sizes, strict=True)
    ]
