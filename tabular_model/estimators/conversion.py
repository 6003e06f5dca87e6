"""A fitted pipeline of scikit-learn, LightGBM or XGBoost as an ONNX model, by skl2onnx and onnxmltools.

They write float32: of the graphs that skl2onnx writes for float64, onnxruntime lacks an Imputer and refuses the
normalisation behind a linear classifier and trees.
"""

import copy
import importlib
import sys
import traceback
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from tabular_model.errors import CompileError, first_line
from tabular_model.estimators.graph import Constants, serialized
from tabular_model.schema import Schema

OPSETS = {"": 21, "ai.onnx.ml": 3}  # the newest of which all the converters know
PREFIX = "pipeline_"
BOOSTING = {
    "lightgbm": ("LGBMClassifier", "lightgbm.operator_converters.LightGbm", "convert_lightgbm"),
    "xgboost": ("XGBClassifier", "xgboost.operator_converters.XGBoost", "convert_xgboost"),
}


def converted(model: Any, schema: Schema, features: Sequence[str]) -> bytes:
    """The fitted `model` of the columns `features` as ONNX, from `X` [n, columns] to `probability` [n].

    CompileError names the step that cannot be compiled.
    """
    _register([type(step) for _, step in steps(model)])
    for path, step in steps(model):
        if getattr(step, "add_indicator", False):
            raise CompileError(_refused(path, step, "skl2onnx loses the columns that add_indicator adds"))
    apart = any(schema[name].type == "category" for name in features) or _takes_columns(model)
    if apart:
        types = [(name, StringTensorType if schema[name].type == "category" else FloatTensorType) for name in features]
        inputs = [(name, kind([None, 1])) for name, kind in types]
    else:
        inputs = [("record", FloatTensorType([None, len(features)]))]
    try:
        found = convert_sklearn(_nameless(model), initial_types=inputs, options={"zipmap": False}, target_opset=OPSETS)
    except Exception as error:  # converters raise what they like
        raise CompileError(_refused(*_culprit(model, error), first_line(error))) from error
    return _joined(onnx.compose.add_prefix(found, PREFIX), schema, features, apart)


def steps(model: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The steps of a pipeline that are no pipelines themselves, each with its path such as `columns > words`."""
    if isinstance(model, Pipeline):
        named = model.steps
    elif isinstance(model, ColumnTransformer):
        named = [(name, step) for name, step, _ in getattr(model, "transformers_", model.transformers)]
    elif isinstance(model, FeatureUnion):
        named = model.transformer_list
    else:
        if not isinstance(model, str) and model is not None:  # passthrough and drop
            yield path, model
        return
    for name, step in named:
        yield from steps(step, f"{path} > {name}" if path else name)


def _register(kinds: Sequence[type]) -> None:
    """The converters of the boosting libraries, for those of the classes that are theirs or are derived from them."""
    for library, (classifier, module, converter) in BOOSTING.items():
        original = getattr(sys.modules.get(library), classifier, None)
        for kind in kinds:
            if original is None or not issubclass(kind, original):
                continue
            try:
                found = importlib.import_module(f"onnxmltools.convert.{module}")
            except ImportError:
                raise CompileError(
                    f"To compile models of {library}, onnxmltools is needed: pip install 'loan-model[boosting]'."
                ) from None
            update_registered_converter(
                kind,
                f"{library}{kind.__name__}",
                calculate_linear_classifier_output_shapes,
                getattr(found, converter),
                options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
            )


def _takes_columns(model: Any) -> bool:
    while isinstance(model, Pipeline):
        model = model.steps[0][1]
    return isinstance(model, ColumnTransformer | FeatureUnion)


def _nameless(model: Any) -> Any:
    """XGBoost's converter knows features by number only."""
    if not any(hasattr(step, "get_booster") for _, step in steps(model)):
        return model
    changed = copy.deepcopy(model)
    for _, step in steps(changed):
        if hasattr(step, "get_booster"):
            step.get_booster().feature_names = None
    return changed


def _refused(path: str, step: Any, said: str) -> str:
    what = f"The step {path!r} of the pipeline, a {type(step).__name__}," if path else "The pipeline"
    return (
        f"{what} cannot be compiled to ONNX, which the servers need: {said}. "
        "Replace it with a step that skl2onnx can convert."
    )


def _culprit(model: Any, error: Exception) -> tuple[str, Any]:
    """The step whose converter failed, or that the error names, with its path; an empty path for neither."""
    frames = [frame.f_locals.get("operator") for frame, _ in traceback.walk_tb(error.__traceback__)]
    failed = [getattr(operator, "raw_operator", None) for operator in frames]
    found = list(steps(model)) if isinstance(model, Pipeline) else [("model", model)]
    by_identity = ((path, step) for path, step in found if any(step is each for each in failed))
    by_name = ((path, step) for path, step in found if type(step).__name__ in str(error))
    return next(chain(by_identity, by_name), ("", None))


def _joined(pipeline: onnx.ModelProto, schema: Schema, features: Sequence[str], apart: bool) -> bytes:
    """Behind nodes that make the pipeline's inputs of `X`, and before those that take the probability of approval."""
    inputs = [each.name for each in pipeline.graph.input]
    nodes, constants = _inputs(inputs, schema, features) if apart else _record(inputs[0], schema.positions(features))
    constants["approval"] = np.array(1)
    last = [
        helper.make_node("Gather", [pipeline.graph.output[-1].name, "approval"], ["narrow"], axis=1),
        helper.make_node("Cast", ["narrow"], ["probability"], to=TensorProto.DOUBLE),
    ]
    opsets = {"": OPSETS[""]} | {each.domain: each.version for each in pipeline.opset_import}
    together = [*nodes, *pipeline.graph.node, *last]
    return serialized(together, constants, len(schema), pipeline.graph.initializer, opsets)


def _record(name: str, positions: list[int]) -> tuple[list[NodeProto], Constants]:
    """All columns in one input."""
    return [
        helper.make_node("Gather", ["X", "columns"], ["chosen"], axis=1),
        helper.make_node("Cast", ["chosen"], [name], to=TensorProto.FLOAT),
    ], {"columns": np.array(positions, dtype=np.int64)}


def _inputs(names: Sequence[str], schema: Schema, features: Sequence[str]) -> tuple[list[NodeProto], Constants]:
    """Each column an input [n, 1]: a number, or the word that a level's index stands for."""
    nodes: list[NodeProto] = []
    constants: Constants = {}
    for name, feature in zip(names, features, strict=True):
        column = schema[feature]
        constants[f"{name}_column"] = np.array(schema.positions([feature]), dtype=np.int64)
        value = f"{name}_value"
        nodes.append(helper.make_node("Gather", ["X", f"{name}_column"], [value], axis=1))
        if column.type != "category":
            nodes.append(helper.make_node("Cast", [value], [name], to=TensorProto.FLOAT))
            continue
        constants[f"{name}_last"] = np.array(float(len(column.levels)))
        constants[f"{name}_words"] = np.array([*column.levels, ""], dtype=object)
        nodes += [
            helper.make_node("IsNaN", [value], [f"{name}_missing"]),
            helper.make_node("Where", [f"{name}_missing", f"{name}_last", value], [f"{name}_code"]),
            helper.make_node("Cast", [f"{name}_code"], [f"{name}_index"], to=TensorProto.INT64),
            helper.make_node("Gather", [f"{name}_words", f"{name}_index"], [name]),
        ]
    return nodes, constants
