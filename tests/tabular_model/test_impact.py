"""The adverse impact ratio and its interval, for every pair of groups."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular_model.evaluate import Judged
from tabular_model.impact import impact_ratio
from tabular_model.metrics import Estimate
from tabular_model.monitoring.formulas import Count, impact
from tabular_model.tradeoffs import tradeoffs

counts = st.integers(1, 5000).flatmap(lambda rows: st.tuples(st.integers(0, rows), st.just(rows)))


def known(found: Estimate) -> tuple[float, float, float]:
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    return found.low, found.value, found.high


@given(counts, counts)
def test_the_interval_is_finite_and_holds_the_ratio(group: tuple[int, int], best: tuple[int, int]) -> None:
    low, value, high = known(impact_ratio(*group, *best))
    assert 0 <= low <= value <= high < np.inf
    assert low < high
    if best[0]:
        assert value == pytest.approx((group[0] / group[1]) / (best[0] / best[1]))


@given(counts, counts)
def test_either_group_may_be_the_one_compared_with(group: tuple[int, int], best: tuple[int, int]) -> None:
    if not (0 < group[0] < group[1] and 0 < best[0] < best[1]):
        return
    low, value, high = known(impact_ratio(*group, *best))
    assert known(impact_ratio(*best, *group)) == pytest.approx((1 / high, 1 / value, 1 / low), rel=1e-9)


@given(counts, counts)
def test_more_rows_of_the_same_shares_narrow_the_interval(group: tuple[int, int], best: tuple[int, int]) -> None:
    def width(times: int) -> float:
        low, _, high = known(impact_ratio(*(times * each for each in (*group, *best))))
        return float(np.log(high / low)) if low else np.inf

    if group[0] and best[0]:
        assert width(10) < width(1)


@given(counts, counts)
def test_the_monitor_and_the_evaluation_give_the_same(group: tuple[int, int], best: tuple[int, int]) -> None:
    assert impact(Count(*group), Count(*best), 3)[0] == impact_ratio(*group, *best)


@given(st.integers(30, 200), st.integers(30, 200), st.data())
def test_thresholds_have_it_of_the_lowest_and_the_highest_group(young: int, old: int, data: st.DataObject) -> None:
    approved = [data.draw(st.integers(0, rows)) for rows in (young, old)]
    bands = [
        (name, Judged(np.tile([0, 1], rows)[:rows], (np.arange(rows) < yes).astype(np.float64)))
        for name, rows, yes in zip(("young", "old"), (young, old), approved, strict=True)
    ]
    (at_one,) = (each for each in tradeoffs(_both(bands), {"age": bands}, 1.0) if each.threshold == 1.0)
    pairs = sorted(zip(approved, (young, old), strict=True), key=lambda pair: pair[0] / pair[1])
    assert at_one.lowest["age"].ratio == impact_ratio(*pairs[0], *pairs[1])


def _both(bands: list[tuple[str, Judged]]) -> Judged:
    return Judged(*(np.concatenate([getattr(part, name) for _, part in bands]) for name in ("target", "score")))


@pytest.mark.parametrize(("of_group", "of_best"), [(0.3, 0.5), (0.04, 0.05)])
def test_the_interval_covers_the_true_ratio_as_often_as_it_says(of_group: float, of_best: float) -> None:
    rng = np.random.default_rng(1)
    drawn = zip(rng.binomial(200, of_group, 2000), rng.binomial(300, of_best, 2000), strict=True)
    found = [known(impact_ratio(int(a), 200, int(b), 300)) for a, b in drawn]
    assert 0.93 < np.mean([low <= of_group / of_best <= high for low, _, high in found]) < 0.98


@pytest.mark.parametrize(
    ("group", "best", "value"), [((0, 50), (25, 50), 0), ((50, 50), (50, 50), 1), ((0, 50), (0, 50), 1)]
)
def test_where_none_or_all_are_approved_there_is_an_interval(
    group: tuple[int, int], best: tuple[int, int], value: float
) -> None:
    low, found, high = known(impact_ratio(*group, *best))
    assert found == value
    assert low <= value < high


def test_no_rows_tell_nothing() -> None:
    assert impact_ratio(0, 0, 5, 10) == impact_ratio(5, 10, 0, 0) == Estimate(None, None, None)
