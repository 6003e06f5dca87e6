from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_model.synthetic import LOAN, generate
from tabular_model.errors import ModelError
from tabular_model.estimators import FAMILIES, probability
from tabular_model.parameters import PARAMETERS

features = LOAN.schema.features


def fitted(algorithm: str, seed: int = 0, columns: tuple[str, ...] | None = None) -> Any:
    frame = generate(1500)
    pipeline = FAMILIES[algorithm].build(LOAN.schema, columns or features(), PARAMETERS[algorithm](), seed)
    return pipeline.fit(frame[list(LOAN.schema.names)], frame[LOAN.target.name])


@pytest.fixture(scope="module")
def boosting() -> Any:
    return fitted("gradient_boosting")


def test_protected_columns_stay_out_unless_named() -> None:
    assert features() == tuple(name for name in LOAN.schema.names if name != "Age")
    assert features(["Age"]) == LOAN.schema.names


def test_naming_a_column_that_is_not_protected_is_refused() -> None:
    with pytest.raises(ModelError, match="Credit_Score is not a protected column; the protected columns are Age"):
        features(["Credit_Score"])


@pytest.mark.parametrize("algorithm", FAMILIES)
def test_the_same_data_and_seed_give_the_same_probabilities(algorithm: str) -> None:
    rows = generate(300, seed=9)[list(LOAN.schema.names)]
    assert (probability(fitted(algorithm), rows) == probability(fitted(algorithm), rows)).all()


@pytest.mark.parametrize("algorithm", FAMILIES)
def test_a_column_that_is_not_used_changes_nothing(algorithm: str) -> None:
    rows = generate(300, seed=9)[list(LOAN.schema.names)]
    pipeline = fitted(algorithm)
    assert (probability(pipeline, rows) == probability(pipeline, rows.assign(Age=np.nan))).all()
    assert (probability(fitted(algorithm, columns=LOAN.schema.names), rows) != probability(pipeline, rows)).any()


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("algorithm", FAMILIES)
def test_a_matrix_scores_as_the_frame(algorithm: str) -> None:
    rows = generate(300, seed=9)[list(LOAN.schema.names)].astype(np.float64)
    pipeline = fitted(algorithm)
    assert (probability(pipeline, rows) == probability(pipeline, rows.to_numpy())).all()


@given(data=st.data(), position=st.integers(1, len(LOAN.schema.names) - 1))
def test_boosting_moves_only_as_the_schema_says(boosting: Any, data: st.DataObject, position: int) -> None:
    def value(i: int) -> st.SearchStrategy[float]:
        column = LOAN.columns[i]
        number = st.floats(column.minimum, column.maximum)
        return st.one_of(number, st.just(np.nan)) if column.nullable else number

    row = np.array([data.draw(value(i)) for i in range(len(LOAN.schema.names))])
    column = LOAN.columns[position]
    rows = np.tile(row, (20, 1))
    rows[:, position] = np.linspace(column.minimum, column.maximum, 20)
    moves = np.diff(probability(boosting, pd.DataFrame(rows, columns=list(LOAN.schema.names))))
    assert (moves * column.monotone >= -1e-15).all()
