"""Trees as tables: the same sums, however many rows, and found out when they are not."""

import functools
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline

from loan_model.synthetic import LOAN, generate
from tabular_model.errors import CompileError, IntegrityError
from tabular_model.estimators import FAMILIES, Compiled
from tabular_model.estimators.equality import check_equal
from tabular_model.estimators.histogram_trees import trees_of
from tabular_model.parameters import PARAMETERS
from tabular_model.scoring.scorer import Scorer
from tabular_model.scoring.tables import FEW_ROWS, Tables, build


@pytest.fixture(scope="module")
def matrix() -> NDArray[np.float64]:
    return generate(3000, seed=1)[list(LOAN.schema.names)].to_numpy(dtype=np.float64)


def fitted(matrix: NDArray[np.float64], **parameters: Any) -> HistGradientBoostingClassifier:
    """A classifier of the columns but the first."""
    target = generate(3000, seed=1)[LOAN.target.name]
    return HistGradientBoostingClassifier(random_state=0, **parameters).fit(matrix[:, 1:], target)


def trained(rows: int, algorithm: str = "gradient_boosting") -> tuple[Pipeline, Compiled]:
    """A pipeline of the loan, and what it is compiled to."""
    frame, family = generate(rows), FAMILIES[algorithm]
    unfitted = family.build(LOAN.schema, LOAN.schema.features(), PARAMETERS[algorithm](), 0)
    pipeline = unfitted.fit(frame[list(LOAN.schema.names)], frame[LOAN.target.name])
    return pipeline, family.compile(pipeline, LOAN.schema)


@functools.cache
def compiled(algorithm: str) -> Compiled:
    return trained(2000, algorithm)[1]


def built(model: HistGradientBoostingClassifier) -> Tables | None:
    return build(trees_of(model, range(1, 7), [0] * 7))


@pytest.mark.parametrize("leaves", [2, 3, 6, 11])
def test_tables_give_what_the_trees_give(matrix: NDArray[np.float64], leaves: int) -> None:
    model = fitted(matrix, max_iter=30, max_leaf_nodes=leaves)
    tables = built(model)
    assert tables is not None
    rows = matrix.copy()
    rows[np.random.default_rng(0).random(rows.shape) < 0.2] = np.nan
    rows[:5, 1:] = [[np.inf], [-np.inf], [1e308], [0.0], [np.nan]]
    expected = model.predict_proba(rows[:, 1:])[:, 1]
    for each in (tables, Tables.decode(tables.encode())):
        for count in (0, 1, FEW_ROWS, FEW_ROWS + 1, 255, 257, 3000):
            np.testing.assert_allclose(each.probabilities(rows[:count]), expected[:count], atol=1e-12)


def test_values_on_a_threshold_go_left(matrix: NDArray[np.float64]) -> None:
    model = fitted(matrix, max_iter=5, max_leaf_nodes=6)
    tables = built(model)
    assert tables is not None
    nodes = np.concatenate([predictor.nodes for (predictor,) in model._predictors])
    splits = nodes[nodes["is_leaf"] == 0]
    rows = np.tile(matrix[:1], (len(splits), 1))
    rows[np.arange(len(rows)), splits["feature_idx"] + 1] = splits["num_threshold"]
    for near in (-np.inf, rows, np.inf):
        beside = np.nextafter(rows, near)
        expected = model.predict_proba(beside[:, 1:])[:, 1]
        np.testing.assert_allclose(tables.probabilities(beside), expected, atol=1e-12)


def test_trees_too_large_for_tables_have_none(matrix: NDArray[np.float64]) -> None:
    assert built(fitted(matrix, max_iter=3, max_leaf_nodes=31)) is None


@pytest.mark.parametrize("algorithm", FAMILIES)
@pytest.mark.parametrize("rows", [1, 2, 3, FEW_ROWS + 1, 7, 64, 999])
def test_a_row_has_the_same_bits_alone_and_among_others(matrix: NDArray[np.float64], algorithm: str, rows: int) -> None:
    scorer = Scorer(compiled(algorithm).files, "it")
    batches = [scorer.probabilities(matrix[start : start + rows]) for start in range(0, len(matrix), rows)]
    assert np.concatenate(batches).tolist() == scorer.probabilities(matrix).tolist()


def test_tables_that_are_off_are_found() -> None:
    pipeline, compiled = trained(2000)
    with np.load(BytesIO(compiled.files["tables.npz"])) as parts:
        broken = dict(parts) | {"thresholds2": np.nextafter(parts["thresholds2"], np.inf)}
    file = BytesIO()
    np.savez(file, **broken)
    off = compiled._replace(files={**compiled.files, "tables.npz": file.getvalue()})
    with pytest.raises(CompileError, match="test rows"):
        check_equal(pipeline, off, LOAN.schema, 0.5, seed=0)


def test_a_file_that_holds_no_tables_is_refused_by_name() -> None:
    files = dict(trained(500, "logistic")[1].files)
    assert "tables.npz" not in files
    with pytest.raises(IntegrityError, match=r"v3/tables\.npz cannot be read"):
        Scorer(files | {"tables.npz": b"PK no"}, "v3")
