import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_model.synthetic import LOAN, MISSING, best_auc, best_probability, generate, log_odds
from tabular_model.metrics import Quality, auc


def applications() -> st.SearchStrategy[dict[str, float]]:
    return st.fixed_dictionaries(
        {column.name: st.integers(int(column.minimum), int(column.maximum)).map(float) for column in LOAN.columns}
    )


def test_the_same_seed_gives_the_same_rows() -> None:
    pd.testing.assert_frame_equal(generate(500, seed=3), generate(500, seed=3))
    assert not generate(500, seed=3).equals(generate(500, seed=4))


def test_rows_keep_to_the_schema() -> None:
    frame = generate()
    assert list(frame) == [*LOAN.schema.names, LOAN.target.name]
    for column in LOAN.columns:
        assert frame[column.name].isna().sum() == round(MISSING.get(column.name, 0) * len(frame))
        assert frame[column.name].min() >= column.minimum
        assert frame[column.name].max() <= column.maximum
    assert 0.5 <= frame[LOAN.target.name].mean() <= 0.6


@given(application=applications(), other=applications())
def test_the_truth_moves_only_as_the_schema_says(application: dict[str, float], other: dict[str, float]) -> None:
    for column in LOAN.columns:
        low, high = sorted([application[column.name], other[column.name]])
        pair = pd.DataFrame([application | {column.name: low}, application | {column.name: high}])
        rise = float(np.diff(log_odds(pair))[0])
        assert rise * column.monotone >= 0
        if column.protected:
            assert rise == 0


def test_where_nothing_is_missing_the_best_probability_is_the_truth() -> None:
    frame = generate(1000)
    complete = frame.drop(columns="Age").notna().all(axis=1)
    truth = 1 / (1 + np.exp(-log_odds(frame[complete])))
    np.testing.assert_allclose(best_probability(frame)[complete], truth)


def test_where_values_are_missing_the_best_probability_is_calibrated() -> None:
    frame = generate(40_000)
    lacking = frame[frame[["Annual_Income", "Credit_Score", "Loan_Amount"]].isna().any(axis=1)].reset_index(drop=True)
    quality = Quality.of(lacking[LOAN.target.name].to_numpy(), best_probability(lacking), seed=0)
    assert quality.calibration_slope.value == pytest.approx(1, abs=0.1)  # three standard errors
    assert quality.calibration_intercept.value == pytest.approx(0, abs=0.12)


def test_the_best_auc_is_believable_and_costs_what_is_missing() -> None:
    frame = generate()
    complete = frame.drop(columns="Age").notna().all(axis=1)
    assert 0.80 < best_auc(frame) < 0.88
    assert best_auc(frame) < best_auc(frame[complete])


def test_a_shuffled_target_is_the_same_target_beside_the_wrong_rows() -> None:
    frame, shuffled = generate(), generate(shuffle_target=True)
    pd.testing.assert_frame_equal(frame[list(LOAN.schema.names)], shuffled[list(LOAN.schema.names)])
    assert frame[LOAN.target.name].sum() == shuffled[LOAN.target.name].sum()
    assert auc(shuffled[LOAN.target.name].to_numpy(), best_probability(frame)) == pytest.approx(0.5, abs=0.02)
