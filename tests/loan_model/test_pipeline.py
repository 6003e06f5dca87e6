from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_model.errors import LoanError
from loan_model.pipeline import ALGORITHMS, Algorithm, build, features, probability
from loan_model.schema import SCHEMA
from loan_model.synthetic import generate


def fitted(algorithm: Algorithm, seed: int = 0, columns: tuple[str, ...] | None = None) -> Any:
    frame = generate(1500)
    return build(algorithm, columns or features(), seed).fit(frame[list(SCHEMA.names)], frame[SCHEMA.target])


@pytest.fixture(scope="module")
def boosting() -> Any:
    return fitted("gradient_boosting")


def test_protected_columns_stay_out_unless_named() -> None:
    assert features() == tuple(name for name in SCHEMA.names if name != "Age")
    assert features(["Age"]) == SCHEMA.names


def test_naming_a_column_that_is_not_protected_is_refused() -> None:
    with pytest.raises(LoanError, match="Credit_Score is not a protected column; those are Age"):
        features(["Credit_Score"])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_same_data_and_seed_give_the_same_probabilities(algorithm: Algorithm) -> None:
    rows = generate(300, seed=9)[list(SCHEMA.names)]
    assert (probability(fitted(algorithm), rows) == probability(fitted(algorithm), rows)).all()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_column_that_is_not_used_changes_nothing(algorithm: Algorithm) -> None:
    rows = generate(300, seed=9)[list(SCHEMA.names)]
    pipeline = fitted(algorithm)
    assert (probability(pipeline, rows) == probability(pipeline, rows.assign(Age=np.nan))).all()
    assert (probability(fitted(algorithm, columns=SCHEMA.names), rows) != probability(pipeline, rows)).any()


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_matrix_scores_as_the_frame(algorithm: Algorithm) -> None:
    rows = generate(300, seed=9)[list(SCHEMA.names)].astype(np.float64)
    pipeline = fitted(algorithm)
    assert (probability(pipeline, rows) == probability(pipeline, rows.to_numpy())).all()


@given(data=st.data(), position=st.integers(1, len(SCHEMA.names) - 1))
def test_boosting_moves_only_as_the_schema_says(boosting: Any, data: st.DataObject, position: int) -> None:
    def value(i: int) -> st.SearchStrategy[float]:
        column = SCHEMA.columns[i]
        number = st.floats(column.minimum, column.maximum)
        return st.one_of(number, st.just(np.nan)) if column.nullable else number

    row = np.array([data.draw(value(i)) for i in range(len(SCHEMA.names))])
    column = SCHEMA.columns[position]
    rows = np.tile(row, (20, 1))
    rows[:, position] = np.linspace(column.minimum, column.maximum, 20)
    moves = np.diff(probability(boosting, pd.DataFrame(rows, columns=list(SCHEMA.names))))
    assert (moves * column.monotone >= -1e-15).all()
