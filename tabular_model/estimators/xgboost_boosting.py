"""Gradient boosting by XGBoost, for rows that do not fit memory: its parameters, and its booster as a pipeline."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from tabular_model.errors import ModelError
from tabular_model.estimators.family import on_columns
from tabular_model.parameters import GradientBoostingParameters
from tabular_model.schema import Schema


def settings(
    parameters: GradientBoostingParameters, schema: Schema, features: Sequence[str], approved: float, seed: int
) -> dict[str, Any]:
    """What XGBoost calls the parameters, by its scikit-learn names; `approved` is the share of the rows.

    `min_samples_leaf` rows weigh as much as they do at that share, for XGBoost bounds the weight of a leaf.
    """
    if parameters.early_stopping:
        raise ModelError("early_stopping needs all rows in memory; leave it out, or train with --engine memory.")
    balanced = parameters.class_weight == "balanced"
    base = 0.5 if balanced else approved
    unit = 1 / (2 * (1 - approved)) if balanced else 1.0  # the balanced weight of a rejected row, which here is 1
    return {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "n_estimators": parameters.max_iter,
        "learning_rate": parameters.learning_rate,
        "max_leaves": parameters.max_leaf_nodes or 0,
        "max_depth": parameters.max_depth or 0,
        "min_child_weight": parameters.min_samples_leaf * base * (1 - base) / unit,
        "reg_lambda": parameters.l2_regularization / unit,
        "colsample_bynode": parameters.max_features,
        "max_bin": parameters.max_bins,
        "scale_pos_weight": (1 - approved) / approved if balanced else 1.0,
        "base_score": base,
        "monotone_constraints": tuple(schema[name].monotone for name in features),
        "max_cat_to_onehot": 1,
        "max_cat_threshold": max(len(schema[name].levels) for name in features) or 1,
        "random_state": seed,
    }


def feature_types(schema: Schema, features: Sequence[str]) -> list[str]:
    """For each feature what XGBoost takes it for: c a category, q a number."""
    return ["c" if schema[name].type == "category" else "q" for name in features]


def pipeline(booster: Any, schema: Schema, features: Sequence[str]) -> Pipeline:
    """A fitted pipeline that takes the matrix [n, columns of the schema]."""
    from xgboost import XGBClassifier  # noqa: PLC0415 - an extra

    model = XGBClassifier(enable_categorical=True, feature_types=feature_types(schema, features))
    model.load_model(booster.save_raw("ubj"))
    fitted = on_columns(model, schema, features)
    fitted["columns"].fit(pd.DataFrame([[0.0] * len(schema)], columns=list(schema.names)))
    return fitted


def version(fitted: Pipeline) -> dict[str, str]:
    """XGBoost's version, if it made the pipeline."""
    if not hasattr(fitted["model"], "get_booster"):
        return {}
    import xgboost  # noqa: PLC0415 - an extra

    return {"xgboost": xgboost.__version__}
