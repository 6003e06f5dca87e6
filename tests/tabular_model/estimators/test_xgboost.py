"""XGBoost's trees, compiled, are XGBoost's."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from tabular_model.errors import ModelError
from tabular_model.estimators import gradient_boosting, xgboost_boosting
from tabular_model.estimators.equality import check_equal
from tabular_model.estimators.xgboost_trees import _threshold
from tabular_model.explain.leaves import FILE as EXPLANATION
from tabular_model.parameters import GradientBoostingParameters
from tabular_model.schema import Schema
from tabular_model.scoring.scorer import ONNX, TABLES
from tests.tabular_model.estimators.test_sums import words


def boosted(schema: Schema, frame: pd.DataFrame, target: np.ndarray, **given: Any) -> Any:
    settings = xgboost_boosting.settings(
        GradientBoostingParameters(**given), schema, schema.names, float(target.mean()), 0
    )
    types = xgboost_boosting.feature_types(schema, schema.names)
    bins = settings["max_bin"]
    rows = frame.to_numpy(np.float32)
    matrix = xgboost.QuantileDMatrix(rows, target, feature_types=types, enable_categorical=True, max_bin=bins)
    rounds = settings.pop("n_estimators")
    return xgboost_boosting.pipeline(xgboost.train(settings, matrix, rounds), schema, schema.names)


@pytest.mark.parametrize("given", [{"max_iter": 20}, {"max_iter": 5, "class_weight": "balanced", "max_depth": 3}])
def test_the_compiled_trees_are_those_of_the_booster(given: dict[str, Any]) -> None:
    schema, frame, target = words()
    pipeline = boosted(schema, frame, target, **given)
    compiled = gradient_boosting.compile(pipeline, schema)
    assert {ONNX, TABLES, EXPLANATION} <= compiled.files.keys()
    compared = check_equal(pipeline, compiled, schema, 0.5, 0)  # at every split, level and pattern of missing values
    assert (compared.beyond, compared.decided_otherwise, compared.arithmetic) == (0, 0, "float32")


def test_directions_are_kept() -> None:
    schema, frame, target = words()
    pipeline = boosted(schema, frame, target, max_iter=30)
    rising = np.linspace(-6, 6, 200)
    rows = pd.DataFrame(np.tile(frame.to_numpy()[:1], (200, 1)), columns=list(schema.names))
    rows["balance 0"] = rising
    assert (np.diff(pipeline.predict_proba(rows)[:, 1]) >= 0).all()


@given(condition=st.floats(-(2.0**99), 2.0**99, width=32), other=st.floats(-1e30, 1e30))
def test_a_threshold_parts_the_values_that_xgboost_parts(condition: float, other: float) -> None:
    at = _threshold(condition)
    for value in (at, np.nextafter(at, np.inf), condition, other):
        assert (value <= at) == bool(np.float32(value) < np.float32(condition))


def test_early_stopping_is_refused_with_what_to_do() -> None:
    schema, frame, target = words()
    with pytest.raises(ModelError, match="early_stopping needs all rows in memory; leave it out, or train with"):
        boosted(schema, frame, target, early_stopping=True)
