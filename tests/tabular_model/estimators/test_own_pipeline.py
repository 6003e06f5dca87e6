"""Pipelines of one's own: what a function returns is fitted, compiled and compared, or refused with its step's name."""

from typing import Annotated, Any

import numpy as np
import pytest
from lightgbm import LGBMClassifier
from msgspec import Meta
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import LinearSVC
from xgboost import XGBClassifier

from tabular_model.errors import CompileError, ModelError
from tabular_model.estimators import probability
from tabular_model.estimators.equality import check_equal
from tabular_model.estimators.own_pipeline import OwnPipeline
from tabular_model.parameters import parse
from tabular_model.schema import Column, Schema
from tabular_model.scoring.scorer import Scorer

RECORD = Schema(
    (
        Column(name="age", range=(18, 99), protected=True),
        Column(name="net income", range=(0, 200_000), missing=True),
        Column(name="months", type="integer", range=(0, 60)),
        Column(name="owner", type="boolean", missing=True),
        Column(name="job", type="category", levels=("cook", "Bäcker", "a, b"), missing=True, unknown="missing"),
        Column(name="home", type="category", levels=("own", "rent")),
    )
)
FEATURES = RECORD.features()
NUMBERS, WORDS = ["net income", "months", "owner"], ["job", "home"]


def data(rows: int = 1500) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    matrix = np.column_stack(
        [
            rng.uniform(18, 99, rows),
            rng.uniform(0, 200_000, rows).round(2),
            rng.integers(0, 61, rows),
            rng.integers(0, 2, rows),
            rng.integers(0, 3, rows),
            rng.integers(0, 2, rows),
        ]
    )
    target = (matrix[:, 1] / 1e5 - matrix[:, 2] / 40 + matrix[:, 4] + rng.logistic(size=rows) > 1).astype(int)
    matrix[rng.random(rows) < 0.1, 1] = np.nan
    matrix[rng.random(rows) < 0.1, 3] = np.nan
    matrix[rng.random(rows) < 0.1, 4] = np.nan
    return matrix, target


def columns(words: Any = None, numbers: Any = None) -> ColumnTransformer:
    words = words or OneHotEncoder(handle_unknown="ignore")
    return ColumnTransformer(
        [("words", words, WORDS), ("numbers", numbers or make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS)]
    )


def codes() -> ColumnTransformer:
    return columns(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), "passthrough")


def fitted(model: Any, schema: Schema = RECORD, seed: int = 0) -> tuple[OwnPipeline, Pipeline]:
    family = OwnPipeline("model:build", lambda: model, "# its code\n")
    matrix, target = data()
    if len(schema) < len(RECORD):
        matrix = matrix[:, RECORD.positions(schema.names)]
    return family, family.build(schema, schema.features(), family.parameters()(), seed).fit(matrix, target)


@pytest.mark.parametrize(
    "model",
    [
        Pipeline([("columns", columns()), ("model", LogisticRegression())]),
        make_pipeline(columns(numbers=SimpleImputer()), StandardScaler(with_mean=False), LogisticRegression()),
        make_pipeline(codes(), HistGradientBoostingClassifier(max_iter=20)),
        make_pipeline(columns(), GradientBoostingClassifier(n_estimators=20)),
        make_pipeline(columns(), CalibratedClassifierCV(RandomForestClassifier(10, max_depth=4))),
        make_pipeline(codes(), LGBMClassifier(n_estimators=20, verbose=-1)),
        make_pipeline(codes(), XGBClassifier(n_estimators=20)),
    ],
    ids=lambda model: type(model[-1]).__name__,
)  # fmt: skip
def test_what_serves_is_the_pipeline(model: Any) -> None:
    family, pipeline = fitted(model)
    compiled = family.compile(pipeline, RECORD)
    assert set(compiled.files) == {"model.onnx", "pipeline.py"}
    found = check_equal(pipeline, compiled, RECORD, 0.4711, 0)
    assert (found.arithmetic, found.tolerance) == ("float32", 1e-5)
    assert found.decided_otherwise <= 5
    assert found.beyond <= found.rows / 50  # of random forests, whose splits lie beside the imputed mean
    rows, scorer = data()[0][:999], Scorer(compiled.files, "it")
    batches = [scorer.probabilities(rows[start : start + size]) for size in (1, 7) for start in range(0, 999, size)]
    assert np.concatenate(batches).tolist() == scorer.probabilities(rows).tolist() * 2  # whatever is beside a row


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(SimpleImputer(), LogisticRegression(max_iter=1000)),
        XGBClassifier(n_estimators=20),
        LGBMClassifier(n_estimators=20, verbose=-1),
    ],
    ids=["imputed", "XGBoost", "LightGBM"],
)
def test_numbers_alone_need_no_columns(model: Any) -> None:
    numbers = Schema(tuple(column for column in RECORD.columns if column.type != "category"))
    family, pipeline = fitted(model, numbers)
    assert check_equal(pipeline, family.compile(pipeline, numbers), numbers, 0.5, 0).largest_difference < 1e-5


def test_it_sees_a_frame_of_the_features_with_words_as_text() -> None:
    seen = []

    class Looks(LogisticRegression):
        def fit(self, X: Any, y: Any) -> Any:
            seen.append(X)
            return super().fit(X[["months"]], y)

    fitted(Looks())
    (frame,) = seen
    assert list(frame.columns) == list(FEATURES)
    assert set(frame["job"]) == {"cook", "Bäcker", "a, b", ""}
    assert set(frame["owner"].dropna()) == {0.0, 1.0}


class Ratio(TransformerMixin, BaseEstimator):
    def fit(self, X: Any, y: Any = None) -> "Ratio":  # noqa: ARG002
        return self

    def transform(self, X: Any) -> Any:
        return np.nan_to_num(np.asarray(X)) / 2

    def get_feature_names_out(self, names: Any) -> Any:
        return names


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (Ratio(), "columns > numbers > ratio' of the pipeline, a Ratio,"),
        (FunctionTransformer(np.sqrt), "functiontransformer' of the pipeline, a FunctionTransformer,"),
    ],
)
def test_a_step_that_cannot_be_compiled_is_named(step: Any, name: str) -> None:
    numbers = make_pipeline(SimpleImputer(), step)
    family, pipeline = fitted(Pipeline([("columns", columns(numbers=numbers)), ("model", LogisticRegression())]))
    with pytest.raises(CompileError, match=name) as refused:
        family.compile(pipeline, RECORD)
    assert "\n" not in str(refused.value)


def test_rows_that_it_has_not_learned_to_score_are_refused() -> None:
    """Missing values are declared, but the pipeline's encoder knows only what training had."""
    strict = columns(OneHotEncoder(categories=[["cook", "Bäcker", "a, b", ""], ["own"]], handle_unknown="error"))
    family = OwnPipeline("model:build", lambda: make_pipeline(strict, LogisticRegression()), "")
    matrix, target = data()
    matrix[:, 5] = 0
    pipeline = family.build(RECORD, FEATURES, family.parameters()(), 0).fit(matrix, target)
    with pytest.raises(CompileError, match="cannot score rows that the declaration allows"):
        check_equal(pipeline, family.compile(pipeline, RECORD), RECORD, 0.5, 0)


def test_its_parameters_are_the_functions() -> None:
    def build(trees: Annotated[int, Meta(ge=1, le=100)] = 10, depth: int | None = None, rate=0.1, seed: int = 5):
        return RandomForestClassifier(trees, max_depth=depth, random_state=seed)

    family = OwnPipeline("model:build", build, "")
    types = {"pipeline": family.parameters()}
    (found,) = parse("pipeline", {"trees": "20", "rate": "0.5"}, types).values()
    assert (found.trees, found.depth, found.rate) == (20, None, 0.5)
    for given, said in [({"trees": 0}, ">= 1"), ({"treees": 5}, "did you mean trees"), ({"depth": "deep"}, "depth")]:
        with pytest.raises(ModelError, match=said):
            parse("pipeline", given, types)
    assert family.build(RECORD, FEATURES, found, 7)["model"].random_state == 7


def test_a_seed_that_is_not_set_is_the_trainings() -> None:
    family = OwnPipeline("m:f", lambda: make_pipeline(columns(), RandomForestClassifier()), "")
    pipeline = family.build(RECORD, FEATURES, family.parameters()(), 3)
    assert pipeline["model"].get_params()["randomforestclassifier__random_state"] == 3


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (LinearSVC, "LinearSVC, which does not have both fit and predict_proba"),
        (lambda: None, "NoneType"),
        (lambda: 1 / 0, "failed when it was called: ZeroDivisionError"),
    ],
)
def test_what_is_no_classifier_is_refused(function: Any, said: str) -> None:
    family = OwnPipeline("model:build", function, "")
    with pytest.raises(ModelError, match=said):
        family.build(RECORD, FEATURES, family.parameters()(), 0)


def test_a_parameter_without_a_default_is_refused() -> None:
    with pytest.raises(ModelError, match="its parameter depth has no default"):
        OwnPipeline("model:build", lambda depth: depth, "").parameters()


def test_probabilities_are_those_of_the_model_alone() -> None:
    model = make_pipeline(columns(), LogisticRegression())
    _, pipeline = fitted(model)
    matrix, _ = data()
    frame = pipeline["record"].transform(matrix)
    np.testing.assert_array_equal(probability(pipeline, matrix), pipeline["model"].predict_proba(frame)[:, 1])
