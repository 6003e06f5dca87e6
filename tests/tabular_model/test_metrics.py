from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import ks_2samp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from tabular_model import metrics
from tabular_model.metrics import Estimate, Quality, auc, auc_interval, bootstrap, calibration, discrimination


def drawn(rows: int = 800, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    probability = rng.beta(1.5, 1.2, rows)
    return (rng.random(rows) < probability).astype(np.int64), probability


rows_with_ties = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=30)


@given(rows=rows_with_ties)
def test_auc_and_ks_count_ties_and_weights(rows: list[tuple[int, int, int]]) -> None:
    target, score, weight = (np.array(values) for values in zip(*rows, strict=True))
    repeated, scores = np.repeat(target, weight), np.repeat(score, weight).astype(np.float64)
    assume(0 < repeated.sum() < len(repeated))
    area, distance = discrimination(target, score.astype(np.float64), weight[None, :].astype(np.float64))
    assert area[0] == pytest.approx(roc_auc_score(repeated, scores))
    assert distance[0] == pytest.approx(ks_2samp(scores[repeated == 1], scores[repeated == 0]).statistic)


def test_the_values_are_those_of_the_formulas() -> None:
    target, probability = drawn()
    quality = Quality.of(target, probability, seed=0)
    assert quality.auc.value == pytest.approx(roc_auc_score(target, probability))
    assert quality.gini.value == pytest.approx(2 * roc_auc_score(target, probability) - 1)
    assert quality.log_loss.value == pytest.approx(log_loss(target, probability))
    assert quality.brier.value == pytest.approx(brier_score_loss(target, probability))
    assert quality.approved == target.mean()


@given(rows=rows_with_ties)
def test_the_interval_by_ranks_holds_the_auc(rows: list[tuple[int, int, int]]) -> None:
    target, score = (np.array(values) for values in list(zip(*rows, strict=True))[:2])
    found = auc_interval(target, score.astype(np.float64))
    if min(target.sum(), (1 - target).sum()) < 2:
        assert found == Estimate(None, None, None)
        return
    assert found.value == pytest.approx(roc_auc_score(target, score))
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_the_interval_by_ranks_is_that_of_resampling() -> None:
    target, probability = drawn()
    by_ranks, resampled = auc_interval(target, probability), Quality.of(target, probability, seed=0).auc
    assert (by_ranks.low, by_ranks.high) == pytest.approx((resampled.low, resampled.high), abs=0.005)


def test_calibration_is_a_logistic_regression_on_the_log_odds() -> None:
    target, probability = drawn()
    z = np.log(probability / (1 - probability))
    distorted = 1 / (1 + np.exp(-(0.4 + 2 * z)))
    slope, _ = calibration(target, distorted, np.ones((1, len(target))))
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit((0.4 + 2 * z)[:, None], target)
    assert slope[0] == pytest.approx(fitted.coef_[0, 0], abs=1e-4)
    assert slope[0] == pytest.approx(0.5, abs=0.1)


@given(shift=st.floats(-2, 2))
def test_the_intercept_finds_a_shift_of_the_log_odds(shift: float) -> None:
    target, probability = drawn()
    z = np.log(probability / (1 - probability))
    ones = np.ones((1, len(target)))
    _, as_it_is = calibration(target, probability, ones)
    _, shifted = calibration(target, 1 / (1 + np.exp(-(z - shift))), ones)
    assert shifted[0] - as_it_is[0] == pytest.approx(shift, abs=1e-6)


def test_an_interval_has_the_width_that_theory_gives_it() -> None:
    target, _ = drawn(2000)
    mean = bootstrap(lambda weights: (weights @ target / weights.sum(axis=1))[:, None], len(target), seed=0)[0]
    error = float(np.sqrt(target.var() / len(target)))
    assert mean.value == pytest.approx(target.mean())
    assert mean.low == pytest.approx(target.mean() - 1.96 * error, abs=error / 5)
    assert mean.high == pytest.approx(target.mean() + 1.96 * error, abs=error / 5)


def test_what_one_class_cannot_tell_is_none() -> None:
    quality = Quality.of(np.ones(20, dtype=np.int64), np.linspace(0.1, 0.9, 20), seed=0)
    assert quality.auc == Estimate(None, None, None)
    assert quality.calibration_slope.value is None
    assert quality.log_loss.value is not None


def test_the_same_seed_gives_the_same_intervals() -> None:
    data: Any = drawn()
    assert Quality.of(*data, seed=1) == Quality.of(*data, seed=1)
    assert Quality.of(*data, seed=1) != Quality.of(*data, seed=2)


def test_all_scores_alike_are_chance_and_have_no_slope() -> None:
    target, score = np.array([0, 1, 1, 1]), np.full(4, 0.6)
    assert auc(target, score) == 0.5
    slope, intercept = calibration(target, score, np.ones((1, 4)))
    assert np.isnan(slope[0])
    assert intercept[0] == pytest.approx(np.log(3) - np.log(1.5))


@given(rows=rows_with_ties)
def test_counted_rows_are_measured_as_the_rows_that_they_stand_for(rows: list[tuple[int, int, int]]) -> None:
    target, score, counts = (np.array(values) for values in zip(*rows, strict=True))
    repeated, scores = np.repeat(target, counts), np.repeat((1 + score) / 6, counts)
    assume(0 < repeated.sum() < len(repeated))
    counted, each = Quality.of(target, (1 + score) / 6, 0, counts), Quality.of(repeated, scores, 0)
    assert (counted.rows, counted.approved) == (each.rows, pytest.approx(each.approved))
    for name in ("auc", "ks", "log_loss", "brier"):
        assert getattr(counted, name).value == pytest.approx(getattr(each, name).value)


def test_counted_rows_have_the_intervals_of_the_rows_that_they_stand_for() -> None:
    target, probability = drawn(rows=3000)
    probability = probability.round(2)
    cells, counts = np.unique(np.column_stack([target, probability]), axis=0, return_counts=True)
    counted = Quality.of(cells[:, 0].astype(np.int64), cells[:, 1], 0, counts)
    each = Quality.of(target, probability, 0)
    for name in ("auc", "ks", "brier", "calibration_slope"):
        mine, theirs = getattr(counted, name), getattr(each, name)
        assert mine.value == pytest.approx(theirs.value)
        assert mine.high - mine.low == pytest.approx(theirs.high - theirs.low, rel=0.15)


def test_many_rows_are_counted_before_they_are_resampled(monkeypatch: pytest.MonkeyPatch) -> None:
    target, probability = drawn(rows=6000)
    each = Quality.of(target, probability, 0)
    monkeypatch.setattr(metrics, "MOST", 1000)
    counted = Quality.of(target, probability, 0)
    assert (counted.rows, counted.approved) == (6000, pytest.approx(each.approved))
    for name in ("auc", "ks", "log_loss", "brier", "calibration_slope", "calibration_intercept"):
        mine, theirs = getattr(counted, name), getattr(each, name)
        assert mine.value == pytest.approx(theirs.value, abs=2e-4)
        assert mine.high - mine.low == pytest.approx(theirs.high - theirs.low, rel=0.15)
