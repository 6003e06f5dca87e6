import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from loan_model.synthetic import LOAN, generate
from tabular_model.estimators import FAMILIES
from tabular_model.evaluate import (
    Decisions,
    Judged,
    banded,
    choose_threshold,
    cross_validate,
    importance,
    reliability,
    segments,
)
from tabular_model.metrics import auc
from tabular_model.parameters import PARAMETERS


def unfitted(algorithm: str) -> Pipeline:
    return FAMILIES[algorithm].build(LOAN.schema, LOAN.schema.features(), PARAMETERS[algorithm](), 0)


def drawn(rows: int = 600, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    probability = rng.beta(1.5, 1.2, rows)
    return (rng.random(rows) < probability).astype(np.int64), probability


def youden(target: NDArray[np.int64], score: NDArray[np.float64], threshold: float) -> float:
    approved = score >= threshold
    return float(approved[target == 1].mean() - approved[target == 0].mean())


@given(
    rows=st.lists(st.tuples(st.integers(0, 1), st.integers(1, 9)), min_size=4, max_size=40).filter(
        lambda rows: {target for target, _ in rows} == {0, 1}
    )
)
def test_no_threshold_has_a_higher_youden_index(rows: list[tuple[int, int]]) -> None:
    target = np.array([outcome for outcome, _ in rows])
    score = np.array([tenths / 10 for _, tenths in rows])
    threshold = choose_threshold(target, score, score).value
    assert threshold not in score
    assert youden(target, score, threshold) == pytest.approx(max(youden(target, score, each) for each in score))


def test_the_threshold_is_no_score_of_the_final_model() -> None:
    target, unseen = drawn()
    final = unseen + 1e-9
    threshold = choose_threshold(target, unseen, final).value
    assert threshold not in final
    assert np.abs(final - threshold).min() > 0


def test_decisions_count_every_row_once() -> None:
    decisions = Decisions.of(np.array([1, 1, 0, 0, 0]), np.array([0.9, 0.1, 0.8, 0.2, 0.5]), 0.5)
    assert decisions == Decisions(true_approvals=1, false_approvals=2, true_rejections=1, false_rejections=1)


def test_reliability_bins_hold_every_row_and_surround_what_happened() -> None:
    target, score = drawn(4000)
    bins = reliability(target, score, seed=0)
    assert sum(each.rows for each in bins) == 4000
    assert len(bins) == 10
    for each in bins:
        assert each.low <= each.predicted <= each.high
        assert each.observed.low <= each.observed.value <= each.observed.high
    assert sum(each.rows * each.observed.value for each in bins) == pytest.approx(target.sum())


def test_one_score_for_all_is_one_bin() -> None:
    target, _ = drawn(100)
    (only,) = reliability(target, np.full(100, 0.5), seed=0)
    assert only.rows == 100
    assert only.observed.value == pytest.approx(target.mean())


def test_segments_hold_every_row_the_missing_ones_last() -> None:
    target, score = drawn(600)
    age = np.tile([20.0, 30.0, 40.0, 50.0, 65.0, np.nan], 100)
    found = segments(banded(LOAN.schema["Age"], age, Judged(target, score)), 0.5, seed=0)
    assert [each.band for each in found] == [
        "below 25",
        "25 to below 35",
        "35 to below 45",
        "45 to below 55",
        "62 and over",
        "missing",
    ]
    assert all(each.quality.rows == 100 for each in found)
    assert max(each.adverse_impact_ratio or 0 for each in found) == 1


def test_the_adverse_impact_ratio_is_to_the_highest_rate() -> None:
    target = np.tile([0, 1], 100)
    score = np.concatenate([np.where(np.arange(100) < 30, 0.9, 0.1), np.where(np.arange(100) < 60, 0.9, 0.1)])
    bands = banded(LOAN.schema["Age"], np.repeat([20.0, 50.0], 100), Judged(target, score))
    young, old = segments(bands, 0.5, seed=0)
    assert (young.approval_rate, old.approval_rate) == (0.3, 0.6)
    assert young.adverse_impact_ratio == pytest.approx(0.5)
    assert young.qualified_approval_rate == pytest.approx(0.3)


def test_cross_validation_scores_each_row_by_a_model_that_did_not_see_it() -> None:
    frame = generate(1000, shuffle_target=True)
    target = frame[LOAN.target.name].to_numpy()
    columns = frame[list(LOAN.schema.names)]
    pipeline = unfitted("gradient_boosting")
    found, unseen = cross_validate(pipeline, columns, target, seed=0)
    assert len(found.auc) == len(found.log_loss) == 5
    assert found.pooled_auc.value == pytest.approx(auc(target, unseen))
    assert auc(target, unseen) < 0.6 < auc(target, pipeline.fit(columns, target).predict_proba(columns)[:, 1])


def test_a_column_that_is_not_used_has_no_importance() -> None:
    frame = generate(1000)
    target, columns = frame[LOAN.target.name].to_numpy(), frame[list(LOAN.schema.names)]
    found = importance(unfitted("logistic").fit(columns, target), columns, target, seed=0)
    assert found["Age"] == 0
    assert max(found, key=lambda name: found[name]) == "Credit_Score"
