from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tabular_model.errors import IntegrityError
from tabular_model.estimators.equality import Comparison
from tabular_model.evaluate import CrossValidation
from tabular_model.explain.checks import ENOUGH, ReasonChecks
from tabular_model.gate import Champion, judge
from tabular_model.metrics import Estimate, Quality
from tabular_model.proxies import Proxy
from tabular_model.verdict import Verdict

SAME = Comparison(rows=100_000, largest_difference=1e-16)
GOOD = CrossValidation((0.5,), (0.8,), Estimate(0.8, 0.79, 0.81))


def drawn(rows: int = 2000, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """A target, its true probability, and the log-odds of that."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1.5, rows)
    probability = 1 / (1 + np.exp(-z))
    return (rng.random(rows) < probability).astype(np.int64), probability, z


def test_a_good_model_passes() -> None:
    target, probability, _ = drawn()
    assert judge(Quality.of(target, probability, 0), GOOD, SAME, None) == Verdict(passed=True, reasons=())


def test_a_model_of_nothing_is_no_better_than_chance() -> None:
    target, probability, _ = drawn()
    shuffled = np.random.default_rng(1).permutation(probability)
    verdict = judge(Quality.of(target, shuffled, 0), GOOD, SAME, None)
    assert not verdict.passed
    assert "no better than chance: its AUC on the holdout is 0." in verdict.reasons[0]


def test_cross_validation_must_be_better_than_chance_too() -> None:
    target, probability, _ = drawn()
    chance = CrossValidation((0.7,), (0.51,), Estimate(0.51, 0.49, 0.53))
    (reason,) = judge(Quality.of(target, probability, 0), chance, SAME, None).reasons
    assert "no better than chance: its AUC on cross-validation is 0.510" in reason


def test_an_auc_that_cannot_be_told_is_chance() -> None:
    quality = Quality.of(np.ones(30, dtype=np.int64), np.linspace(0.1, 0.9, 30), 0)
    assert "no better than chance" in judge(quality, GOOD, SAME, None).reasons[0]


def test_probabilities_that_are_too_extreme_are_badly_calibrated() -> None:
    target, _, z = drawn()
    (reason,) = judge(Quality.of(target, 1 / (1 + np.exp(-2 * z)), 0), GOOD, SAME, None).reasons
    assert reason.startswith("It is badly calibrated: the calibration slope on the holdout is 0.")


def test_probabilities_that_are_too_low_are_badly_calibrated() -> None:
    target, _, z = drawn()
    (reason,) = judge(Quality.of(target, 1 / (1 + np.exp(1 - z)), 0), GOOD, SAME, None).reasons
    assert "calibration intercept on the holdout is" in reason
    assert reason.endswith("outside -0.25 to 0.25.")


def test_worse_than_the_champion_on_the_same_rows() -> None:
    target, probability, z = drawn()
    noisy = 1 / (1 + np.exp(-(z + np.random.default_rng(2).normal(0, 1.5, len(z)))))
    champion = Champion.compare("v3", target, noisy, probability, seed=0)
    reasons = judge(Quality.of(target, noisy, 0), GOOD, SAME, champion).reasons
    assert any("worse than the champion v3 on the same holdout: AUC differs by -0." in reason for reason in reasons)


def test_as_good_as_the_champion_passes() -> None:
    target, probability, _ = drawn()
    champion = Champion.compare("v3", target, probability, probability, seed=0)
    assert champion.difference == Estimate(0, 0, 0)
    assert judge(Quality.of(target, probability, 0), GOOD, SAME, champion).passed


def test_a_compiled_model_that_is_unlike_fails() -> None:
    target, probability, _ = drawn()
    (reason,) = judge(Quality.of(target, probability, 0), GOOD, Comparison(10, 0.01), None).reasons
    assert "differs from the original" in reason


def test_a_verdict_is_read_from_the_metrics() -> None:
    content = b'{"verdict": {"passed": false, "reasons": ["It is bad."]}, "holdout": {}}'
    assert Verdict.from_metrics(content) == Verdict(passed=False, reasons=("It is bad.",))


@pytest.mark.parametrize("content", [b"{}", b"not JSON", b'{"verdict": {"passed": "yes"}}'])
def test_metrics_without_a_verdict_are_refused(content: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"metrics\.json contains no verdict"):
        Verdict.from_metrics(content)


@pytest.mark.parametrize(("otherwise", "passes"), [(0, True), (10, True), (11, False)])
def test_a_model_in_float32_may_decide_one_row_in_ten_thousand_otherwise(otherwise: int, passes: bool) -> None:
    target, probability, _ = drawn()
    compiled = Comparison(100_000, 0.01, 1e-5, "float32", beyond=400, decided_otherwise=otherwise)
    verdict = judge(Quality.of(target, probability, 0), GOOD, compiled, None)
    assert verdict.passed == passes
    if not passes:
        (reason,) = verdict.reasons
        assert reason == (
            "The compiled model, which computes in float32, decides 11 of 100000 test rows differently from the "
            "pipeline; at most 0.01% may differ."
        )


def share(value: float, half: float) -> Estimate:
    return Estimate(value, value - half, min(1.0, value + half))


def checks(rows: int = 500, raised: float = 1.0, same_first: float = 1.0, half: float = 0.02) -> ReasonChecks:
    return ReasonChecks(
        rows=rows,
        without=0,
        raised=share(raised, half),
        crossed=share(0.2, half),
        same_first=share(same_first, half),
        same_set=share(0.3, half),
    )


def told(auc: float, half: float = 0.02) -> dict[str, list[Proxy]]:
    return {"age": [Proxy(group="below 25", rows=900, members=90, together=share(auc, half), alone={})]}


@cache
def good() -> Quality:
    target, probability, _ = drawn()
    return Quality.of(target, probability, 0)


def reasons_against(found: ReasonChecks | None, **proxies: Any) -> tuple[str, ...]:
    return judge(good(), GOOD, SAME, None, reasons=found, **proxies).reasons


def test_reasons_that_hold_or_were_not_checked_pass() -> None:
    assert reasons_against(None) == ()
    assert reasons_against(checks(raised=0.93, same_first=0.91)) == ()


def test_first_reasons_that_do_not_raise_the_score_fail() -> None:
    (reason,) = reasons_against(checks(raised=0.8))
    assert reason == (
        "Its reasons do not hold: in a share of 0.800 (95 % interval 0.780 to 0.820) of 500 rejected rows next to the "
        "threshold the score rises when the first reason is repaired; it must be 0.9 or more."
    )


def test_first_reasons_that_change_with_noise_fail() -> None:
    (reason,) = reasons_against(checks(same_first=0.7))
    assert "the first reason stays the same under noise of 0.01 standard deviations; it must be 0.9" in reason


def test_few_rows_and_chance_are_no_reason_against_a_version() -> None:
    assert reasons_against(checks(rows=ENOUGH - 1, raised=0.1)) == ()
    assert reasons_against(checks(raised=0.85, half=0.06)) == ()


def test_proxies_fail_only_beyond_a_declared_limit_and_chance() -> None:
    assert reasons_against(None, proxies=told(0.9)) == ()
    assert reasons_against(None, proxies=told(0.9), proxy_limits={"age": 0.89, "gender": 0.6}) == ()
    (reason,) = reasons_against(None, proxies=told(0.9), proxy_limits={"age": 0.75})
    assert reason == (
        "Its columns stand for age: together they predict the group below 25 with an AUC of 0.900 (95 % interval 0.880 "
        "to 0.920), above the proxy_limit of 0.75."
    )
