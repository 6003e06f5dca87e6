"""Boosted trees: categories and missing values as they are, and monotone where the schema gives a direction.

scikit-learn learns them from rows in memory, XGBoost from more.
"""

from collections.abc import Sequence

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline

from tabular_model.estimators import xgboost_trees
from tabular_model.estimators.family import Compiled, on_columns, positions
from tabular_model.estimators.histogram_trees import trees_of
from tabular_model.estimators.tree_files import tree_files
from tabular_model.parameters import Parameters
from tabular_model.schema import Schema


def build(schema: Schema, features: Sequence[str], parameters: Parameters, seed: int) -> Pipeline:
    """An unfitted pipeline that takes the matrix [n, columns of the schema] and uses the columns `features`."""
    categories = [index for index, name in enumerate(features) if schema[name].type == "category"]
    model = HistGradientBoostingClassifier(
        **{name: getattr(parameters, name) for name in parameters.__struct_fields__},
        monotonic_cst=[schema[name].monotone for name in features],
        categorical_features=categories or None,
        random_state=seed,
    )
    return on_columns(model, schema, features)


def compile(pipeline: Pipeline, schema: Schema) -> Compiled:
    """ONNX in float64, tables where the trees are small enough for them, and the leaves for explanations."""
    model, levels = pipeline["model"], [len(column.levels) for column in schema.columns]
    if isinstance(model, HistGradientBoostingClassifier):
        return tree_files(trees_of(model, positions(pipeline), levels), len(schema))
    trees = xgboost_trees.trees_of(model.get_booster(), positions(pipeline), levels)
    # XGBoost itself adds the leaves in float32.
    return tree_files(trees, len(schema))._replace(arithmetic="float32")
