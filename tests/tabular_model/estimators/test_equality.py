import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
import sklearn

from loan_model.synthetic import LOAN, generate
from tabular_model.errors import CompileError
from tabular_model.estimators import FAMILIES, Compiled, equality, probability
from tabular_model.estimators.equality import TOLERANCE, Comparison
from tabular_model.parameters import PARAMETERS
from tabular_model.scoring.scorer import Scorer

NAMES = list(LOAN.schema.names)


# Of scikit-learn, with which this file was run: trees are read from private attributes, which may change with any.
TRIED = ("1.7", "1.8", "1.9")

FEATURES = LOAN.schema.features()


def fitted(algorithm: str, frame: pd.DataFrame, columns: tuple[str, ...] = FEATURES) -> Any:
    pipeline = FAMILIES[algorithm].build(LOAN.schema, columns, PARAMETERS[algorithm](), 0)
    return pipeline.fit(frame[NAMES], frame[LOAN.target.name])


def compile_pipeline(pipeline: Any) -> dict[str, bytes]:
    return dict(compiled(pipeline).files)


def compiled(pipeline: Any) -> Compiled:
    family = {
        "HistGradientBoostingClassifier": "gradient_boosting",
        "LogisticRegression": "logistic",
        "Scorecard": "scorecard",
    }[type(pipeline["model"]).__name__]
    return FAMILIES[family].compile(pipeline, LOAN.schema)


def check_equal(pipeline: Any, files: dict[str, bytes], threshold: float, seed: int) -> Comparison:
    served = compiled(pipeline)._replace(files=files)
    return equality.check_equal(pipeline, served, LOAN.schema, threshold, seed)


def altered(files: dict[str, bytes], node: str, attribute: str, index: int, value: Any) -> dict[str, bytes]:
    """`files` with one value of a node's tensor attribute in the ONNX model replaced by `value` of it."""
    loaded = onnx.load_from_string(files["model.onnx"])
    (found,) = (each for each in loaded.graph.node if each.op_type == node)
    (tensor,) = (each for each in found.attribute if each.name == attribute)
    values = onnx.numpy_helper.to_array(tensor.t).copy()
    values[index] = value(values[index])
    tensor.t.CopyFrom(onnx.numpy_helper.from_array(values, tensor.t.name))
    return files | {"model.onnx": loaded.SerializeToString()}


@pytest.fixture(scope="module")
def boosting() -> Any:
    return fitted("gradient_boosting", generate(3000))


@pytest.mark.parametrize("columns", [FEATURES, LOAN.schema.features(["Age"])], ids=["without Age", "with Age"])
@pytest.mark.parametrize("algorithm", FAMILIES)
def test_the_compiled_model_is_the_same_model(algorithm: str, columns: tuple[str, ...]) -> None:
    pipeline = fitted(algorithm, generate(2000), columns)
    comparison = check_equal(pipeline, compile_pipeline(pipeline), 0.5, seed=0)
    assert comparison.rows > 100_000 + 2**7
    assert comparison.largest_difference < 1e-12


def test_the_signature_is_float64_in_and_out(boosting: Any) -> None:
    graph = onnx.load_from_string(compile_pipeline(boosting)["model.onnx"]).graph
    types = {each.name: each.type.tensor_type.elem_type for each in (*graph.input, *graph.output)}
    assert types == {"X": onnx.TensorProto.DOUBLE, "probability": onnx.TensorProto.DOUBLE}


def test_no_rows_give_no_probabilities(boosting: Any) -> None:
    assert Scorer(compile_pipeline(boosting), "it").probabilities(np.empty((0, 7))).shape == (0,)


@pytest.mark.parametrize("algorithm", FAMILIES)
def test_trees_without_splits_and_columns_without_spread_compile(algorithm: str) -> None:
    frame = generate(60)
    frame[NAMES] = 1.0
    pipeline = fitted(algorithm, frame)
    assert check_equal(pipeline, compile_pipeline(pipeline), 0.5, seed=0).largest_difference <= TOLERANCE


def test_a_split_between_missing_and_present_compiles() -> None:
    frame = generate(3000)
    frame["Credit_Score"] = np.where(frame[LOAN.target.name] == 1, 600.0, np.nan)
    pipeline = fitted("gradient_boosting", frame)
    assert check_equal(pipeline, compile_pipeline(pipeline), 0.5, seed=0).largest_difference <= TOLERANCE


def test_a_split_moved_by_one_float_is_found_and_its_row_named(boosting: Any) -> None:
    broken = altered(compile_pipeline(boosting), "TreeEnsemble", "nodes_splits", 0, lambda x: np.nextafter(x, np.inf))
    with pytest.raises(
        CompileError, match=r"differ on \d+ of \d+ test rows: row \d+ \{'Age': .*by scikit-learn.*compiled"
    ):
        check_equal(boosting, broken, 0.5, seed=0)


def test_a_leaf_that_is_off_is_found(boosting: Any) -> None:
    broken = altered(compile_pipeline(boosting), "TreeEnsemble", "leaf_weights", 0, lambda x: x + 1e-3)
    with pytest.raises(CompileError, match="test rows"):
        check_equal(boosting, broken, 0.5, seed=0)


def test_missing_values_sent_the_wrong_way_are_found(boosting: Any) -> None:
    loaded = onnx.load_from_string(compile_pipeline(boosting)["model.onnx"])
    (trees,) = (each for each in loaded.graph.node if each.op_type == "TreeEnsemble")
    (ways,) = (each for each in trees.attribute if each.name == "nodes_missing_value_tracks_true")
    ways.ints[:] = [1 - way for way in ways.ints]
    with pytest.raises(CompileError, match="nan"):
        check_equal(boosting, {"model.onnx": loaded.SerializeToString()}, 0.5, seed=0)


def test_a_decision_that_differs_is_found_though_the_probabilities_are_close() -> None:
    pipeline = fitted("logistic", generate(500))
    model = onnx.load_from_string(compile_pipeline(pipeline)["model.onnx"])
    (intercept,) = (each for each in model.graph.initializer if each.name == "intercept")
    nudged = onnx.numpy_helper.to_array(intercept) + 1e-9
    intercept.CopyFrom(onnx.numpy_helper.from_array(nudged, "intercept"))
    within = check_equal(pipeline, {"model.onnx": model.SerializeToString()}, 0.5, seed=0)
    assert 0 < within.largest_difference <= TOLERANCE
    rows = pd.DataFrame([[np.nan] * len(NAMES)], columns=NAMES)  # every trial has rows without any value
    between = float(probability(pipeline, rows)[0]) + 1e-11
    with pytest.raises(CompileError, match="nan"):
        check_equal(pipeline, {"model.onnx": model.SerializeToString()}, between, seed=0)


def test_scikit_learn_is_of_a_version_that_was_tried() -> None:
    """A newer one needs this file to be run with it, and `pyproject.toml` to allow it."""
    assert sklearn.__version__.rpartition(".")[0] in TRIED
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    (bound,) = (each for each in project["project"]["optional-dependencies"]["training"] if each.startswith("scikit-"))
    assert bound == "scikit-learn>=1.7,<1.10"
