"""What every family of models can do: be built, be fitted as a scikit-learn pipeline, and be compiled."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from tabular_model.comparison import Arithmetic
from tabular_model.parameters import Parameters
from tabular_model.schema import Schema


class Compiled(NamedTuple):
    """The files that serve, and by column the values at which the model's answer may change, for test rows.

    `missing_anywhere` says that it scores rows also without the values that may not be missing.
    """

    files: Mapping[str, bytes]
    splits: frozenset[tuple[int, float]]
    arithmetic: Arithmetic = "float64"
    missing_anywhere: bool = True


class Family(Protocol):
    """A module of this package that is registered in it under the algorithm's name, or a custom pipeline."""

    def build(self, schema: Schema, features: Sequence[str], parameters: Parameters, seed: int) -> Pipeline:
        """An unfitted pipeline that takes the matrix [n, columns of the schema] and uses the columns `features`."""

    def compile(self, pipeline: Pipeline, schema: Schema) -> Compiled:
        """The fitted pipeline in the forms that serve; CompileError names what cannot be."""


def on_columns(model: Any, schema: Schema, features: Sequence[str]) -> Pipeline:
    """The model behind what takes the columns `features`, as they are, of the matrix [n, columns of the schema]."""
    chosen = [("features", "passthrough", schema.positions(features))]
    return Pipeline([("columns", ColumnTransformer(chosen, verbose_feature_names_out=False)), ("model", model)])


def positions(pipeline: Pipeline) -> list[int]:
    """The positions in the matrix of the features of a fitted `on_columns`."""
    found: list[int] = pipeline["columns"].transformers_[0][2]
    return found


def probability(pipeline: Pipeline, rows: Any) -> NDArray[np.float64]:
    """The fitted pipeline's probability of approval [n] of a frame, or a matrix [n, columns of the schema]."""
    return np.asarray(pipeline.predict_proba(rows)[:, 1], dtype=np.float64)
