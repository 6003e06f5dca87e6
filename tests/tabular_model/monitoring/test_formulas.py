"""The formulas keep to what they promise, of any counts and over many draws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabular_model.monitoring.formulas import (
    distributions,
    holm,
    impact,
    mean_difference,
    normal,
    shares,
)
from tabular_model.shares import Count

counts = st.integers(1, 5000).flatmap(lambda rows: st.builds(Count, st.integers(0, rows), st.just(rows)))
bins = st.lists(st.integers(0, 500), min_size=8, max_size=8).map(np.array)


@given(bins, bins)
@settings(max_examples=30)
def test_any_two_distributions_are_compared(reference, found):
    change, p_value, critical = distributions(reference, found)
    assert change >= 0
    assert 0 <= p_value <= 1
    assert critical(0.001) >= critical(0.05) > 0
    same = distributions(reference, reference)
    assert same.change == 0
    assert same.p_value == pytest.approx(1)


def test_without_rows_nothing_is_told():
    none = np.zeros(5, np.int64)
    assert distributions(none, none).critical(0.05) == math.inf
    assert distributions(none + 100, none).p_value == 1
    assert shares(Count(0, 0), Count(1, 10), 0.02).critical(0.05) == math.inf
    assert normal(0.1, 0.0, sides=1).critical(0.05) == math.inf


def test_the_critical_value_is_passed_as_often_as_it_says():
    rng = np.random.default_rng(0)
    share = np.array([0.02, 0.08, 0.1, 0.1, 0.2, 0.2, 0.15, 0.1, 0.05])
    drawn = [(rng.multinomial(1500, share), rng.multinomial(800, share)) for _ in range(300)]
    tested = [distributions(*each) for each in drawn]
    assert 0.02 < np.mean([each.change > each.critical(0.05) for each in tested]) < 0.09
    assert 0.02 < np.mean([each.p_value < 0.05 for each in tested]) < 0.09


@given(counts, counts)
@settings(max_examples=30)
def test_shares_differ_alike_in_both_directions(one, other):
    change, p_value, critical = shares(one, other, 0.02)
    assert change == pytest.approx(abs(one.share - other.share))
    assert p_value == pytest.approx(shares(other, one, 0.02).p_value)
    assert critical(0.01) > critical(0.05) > 0
    assert shares(one, one, 0.02).p_value == pytest.approx(1)


def test_a_share_that_was_zero_in_few_rows_is_not_known():
    few, many = (shares(Count(0, 7500), Count(0, rows), 0.02).critical(0.002) for rows in (10, 10_000))
    assert few > 0.02 > many


@given(counts, counts.filter(lambda count: count.yes > 0))
@settings(max_examples=30)
def test_the_ratio_lies_in_its_interval(group, best):
    estimate, tested = impact(group, best, groups=3)
    assert estimate.value == pytest.approx(group.share / best.share)
    assert 0 <= estimate.low <= estimate.value <= estimate.high
    assert tested.change == pytest.approx(1 - estimate.value)
    assert 0 < tested.critical(0.05) < tested.critical(0.001) < 1


def test_where_none_is_approved_all_are_alike():
    estimate, tested = impact(Count(0, 50), Count(0, 50), groups=2)
    assert (estimate.value, tested.change, tested.p_value) == (1, 0, 1)


def test_the_interval_of_the_ratio_covers_the_truth():
    rng = np.random.default_rng(1)
    drawn = zip(rng.binomial(150, 0.4, 500), rng.binomial(300, 0.5, 500), strict=True)
    estimates = [impact(Count(int(a), 150), Count(int(b), 300), 2)[0] for a, b in drawn]
    assert 0.92 < np.mean([each.low <= 0.8 <= each.high for each in estimates]) < 0.98


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=30),
    st.lists(st.floats(0, 1), min_size=2, max_size=30),
)
def test_a_mean_difference_is_that_of_the_scores(group, best):
    def sums(values):
        return np.array([len(values), np.sum(values), np.sum(np.square(values))])

    every = group + best
    found = mean_difference(sums(group), sums(best), sums(every))
    if np.std(every) > 1e-6:
        assert found.value == pytest.approx((np.mean(group) - np.mean(best)) / np.std(every), rel=1e-3, abs=1e-6)
        assert found.low <= found.value <= found.high
    same = mean_difference(sums([0.5]), sums([0.5]), sums([0.5, 0.5]))
    assert same.value is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20).map(np.array))
def test_holm_is_the_stepwise_procedure(p_values):
    adjusted = holm(p_values)
    assert (adjusted >= p_values).all()
    assert (adjusted <= np.minimum(1, p_values * len(p_values)) + 1e-12).all()
    for alpha in (0.01, 0.05, 0.2):
        rejected = set()
        for step, place in enumerate(np.argsort(p_values, kind="stable")):
            if p_values[place] * (len(p_values) - step) >= alpha:
                break
            rejected.add(int(place))
        assert set(np.flatnonzero(adjusted < alpha).tolist()) == rejected


def test_a_normal_change_is_told_in_one_direction_or_in_both():
    assert normal(0.0, 0.1, sides=1).p_value == 0.5
    assert normal(0.196, 0.1, sides=2).p_value == pytest.approx(0.05, abs=1e-4)
    assert normal(0.3, 0.1, sides=2).critical(0.05) == pytest.approx(0.196, abs=1e-4)
