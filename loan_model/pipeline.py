"""The two algorithms as scikit-learn pipelines over all columns of the schema."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from loan_model.errors import LoanError
from loan_model.schema import SCHEMA

Algorithm = Literal["logistic", "gradient_boosting"]
ALGORITHMS: tuple[Algorithm, ...] = ("logistic", "gradient_boosting")

PARAMETERS: dict[Algorithm, dict[str, Any]] = {
    "logistic": {"C": 1.0, "max_iter": 1000},
    "gradient_boosting": {
        "max_iter": 100,
        "learning_rate": 0.1,
        "max_leaf_nodes": 6,
        "min_samples_leaf": 60,
        "l2_regularization": 20.0,
        "early_stopping": False,
    },
}


def features(use_protected: Sequence[str] = ()) -> tuple[str, ...]:
    """The columns to train on, in the schema's order: the protected ones only if named."""
    for name in use_protected:
        if name not in SCHEMA.protected:
            raise LoanError(f"{name} is not a protected column; those are {', '.join(SCHEMA.protected)}.")
    return tuple(name for name in SCHEMA.names if name not in SCHEMA.protected or name in use_protected)


def build(algorithm: Algorithm, columns: Sequence[str], seed: int) -> Pipeline:
    """An unfitted pipeline that takes all columns of the schema, NaN for missing, and uses `columns` of them.

    `logistic` puts the training mean for a missing value and scales. `gradient_boosting` learns where missing
    values go, and its probability moves only in the direction that the schema declares for a column.
    """
    steps: list[tuple[str, Any]] = [("columns", _select(columns))]
    if algorithm == "logistic":
        steps += [
            ("impute", SimpleImputer(strategy="mean", keep_empty_features=True)),
            ("scale", StandardScaler()),
            ("model", LogisticRegression(**PARAMETERS[algorithm], random_state=seed)),
        ]
    else:
        monotone = [SCHEMA[name].monotone for name in columns]
        boosting = HistGradientBoostingClassifier(**PARAMETERS[algorithm], monotonic_cst=monotone, random_state=seed)
        steps.append(("model", boosting))
    return Pipeline(steps)


def probability(pipeline: Pipeline, rows: Any) -> NDArray[np.float64]:
    """The fitted pipeline's probability of approval [n] of a frame, or a matrix [n, columns of the schema]."""
    return np.asarray(pipeline.predict_proba(rows)[:, 1], dtype=np.float64)


def _select(columns: Sequence[str]) -> ColumnTransformer:
    positions = [SCHEMA.names.index(name) for name in columns]
    return ColumnTransformer([("features", "passthrough", positions)], verbose_feature_names_out=False)
