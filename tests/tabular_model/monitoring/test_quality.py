"""Outcomes are held against what was promised for just those who were approved."""

import numpy as np
import pyarrow as pa
import pytest

from tabular_model.metrics import Quality, discrimination
from tabular_model.monitoring.findings import Check, Outcome, corrected
from tabular_model.monitoring.limits import Limits
from tabular_model.monitoring.quality import Came, came, promised, quality

pytestmark = pytest.mark.usefixtures("fewer_draws")
RNG = np.random.default_rng(0)
PROBABILITY = RNG.uniform(0.5, 1, 3000)


def drawn(truth, seed=1):
    good = (np.random.default_rng(seed).random(len(truth)) < truth).astype(np.int64)
    month = np.where(np.arange(len(truth)) < len(truth) // 2, "2026-01", "2026-02")
    return Came(good, PROBABILITY[: len(truth)], month, 0, 0)


def outcomes(of):
    holdout = Quality.of(np.array([0, 1] * 50), np.linspace(0, 1, 100), 0)
    _, tests = quality(of, holdout, Limits())
    return {(each.check, each.subject): each.outcome for each in corrected(tests, 0.05)}


def test_what_was_promised_came_true():
    assert set(outcomes(drawn(PROBABILITY)).values()) <= {Outcome.fine, Outcome.unsure}


def test_fewer_good_outcomes_than_promised_are_found_in_their_vintage():
    truth = PROBABILITY.copy()
    truth[1500:] -= 0.08
    seen = outcomes(drawn(truth))
    assert seen[Check.calibration, "2026-02"] is Outcome.found
    assert seen[Check.calibration, "2026-01"] is not Outcome.found


def test_scores_that_say_nothing_are_found():
    seen = outcomes(drawn(np.full(3000, PROBABILITY.mean())))
    assert seen[Check.discrimination, "outcomes"] is Outcome.found
    assert seen[Check.calibration, "2026-01"] is not Outcome.found


def test_outcomes_that_are_all_alike_or_few_tell_nothing():
    assert set(outcomes(drawn(np.ones(30))).values()) == {Outcome.unsure}
    assert set(outcomes(drawn(np.ones(1))).values()) == {Outcome.unsure}


def test_the_promise_is_what_draws_give():
    promise, error = promised(np.ones(3000, np.int64), PROBABILITY)
    good = (RNG.random((60, 3000)) < PROBABILITY).astype(np.int64)
    aucs = [discrimination(each, PROBABILITY, np.ones((1, 3000)))[0][0] for each in good]
    assert promise.auc.value == pytest.approx(np.mean(aucs), abs=0.003)
    assert error == pytest.approx(np.std(aucs), rel=0.4)
    assert promise.brier.value == pytest.approx((PROBABILITY * (1 - PROBABILITY)).mean(), abs=0.002)


def test_many_rows_are_counted(monkeypatch):
    plain, _ = promised(np.ones(3000, np.int64), PROBABILITY)
    monkeypatch.setattr("tabular_model.metrics.MOST", 1000)
    counted, _ = promised(np.ones(3000, np.int64), PROBABILITY)
    assert counted.auc.value == pytest.approx(plain.auc.value, abs=0.003)


def test_only_good_and_bad_outcomes_of_the_approved_count():
    time = pa.array([0] * 4, pa.timestamp("us", "UTC"))
    table = pa.table(
        {
            "decision": [1, 1, 1, 0],
            "outcome": ["paid", "default", "moved", "paid"],
            "probability": [0.9, 0.8, 0.7, 0.2],
            "time": time,
        }
    )
    found = came(table, ["paid"], ["default"])
    assert found.good.tolist() == [1, 0]
    assert found.probability.tolist() == [0.9, 0.8]
    assert found.month.tolist() == ["1970-01"] * 2
    assert (found.other, found.of_rejected) == (1, 1)
