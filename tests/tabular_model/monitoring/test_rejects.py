"""Figures of all applications under assumptions of the rejected, whose truth only a test knows."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabular_model.metrics import auc
from tabular_model.monitoring.rejects import FACTORS, Decided, rejects

pytestmark = pytest.mark.usefixtures("fewer_draws")
RNG = np.random.default_rng(0)
PROBABILITY = RNG.beta(2, 2, 20_000)
GOOD = (RNG.random(20_000) < PROBABILITY).astype(np.int64)
APPROVED = PROBABILITY >= 0.4


def stated(known=APPROVED):
    """Outcomes are known of some of the approved."""
    decided = Decided.of(PROBABILITY, APPROVED.astype(np.int64))
    return rejects(GOOD[known], PROBABILITY[known], decided)


def test_if_the_rejected_are_as_their_probabilities_say_the_figures_are_those_of_all():
    found = stated().assumed[0]
    assert found.times == 1
    assert found.bad == pytest.approx(1 - PROBABILITY[~APPROVED].mean(), abs=1e-9)
    assert found.auc.value == pytest.approx(auc(GOOD, PROBABILITY), abs=0.005)
    assert found.auc.low < found.auc.value < found.auc.high
    assert found.auc.value > auc(GOOD[APPROVED], PROBABILITY[APPROVED]) + 0.05
    assert found.threshold.value == pytest.approx(0.5, abs=0.05)  # where good is as likely as its share of all
    assert found.approval_rate.value == pytest.approx((found.threshold.value <= PROBABILITY).mean(), abs=0.01)


def test_approved_without_an_outcome_are_taken_to_be_like_the_others():
    some = APPROVED & (np.arange(len(APPROVED)) % 4 == 0)
    few, many = stated(some).assumed[0], stated().assumed[0]
    assert few.auc.value == pytest.approx(many.auc.value, abs=0.01)
    assert few.auc.high - few.auc.low > many.auc.high - many.auc.low
    assert stated(some).approved == APPROVED.sum()
    assert stated(some).rejected == (~APPROVED).sum()


def test_the_worse_the_rejected_the_better_the_model_looks():
    assumed = stated().assumed
    assert tuple(each.times for each in assumed) == FACTORS
    for milder, harder in pairwise(assumed):
        assert milder.bad < harder.bad < 1
        assert milder.auc.value <= harder.auc.value


def test_decisions_are_added_part_by_part():
    whole = Decided.of(PROBABILITY, APPROVED.astype(np.int64))
    parts = [
        Decided.of(PROBABILITY[rows], APPROVED[rows].astype(np.int64)) for rows in np.array_split(np.arange(20_000), 7)
    ]
    total = sum(parts[1:], parts[0])
    assert total.approved == whole.approved
    assert total.rejected.tolist() == whole.rejected.tolist()
    np.testing.assert_allclose(total.sums, whole.sums)


def test_where_nobody_was_rejected_nothing_is_stated():
    assert rejects(GOOD, PROBABILITY, Decided.of(PROBABILITY, np.ones(len(PROBABILITY), np.int64))) is None
    assert rejects(GOOD, PROBABILITY, None) is None


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1), st.booleans()), min_size=1, max_size=30))
@settings(max_examples=20)
def test_any_decisions_give_figures_or_none(rows):
    good, probability, approved = (np.array(each) for each in zip(*rows, strict=True))
    if not approved.any():
        return
    found = rejects(good[approved], probability[approved], Decided.of(probability, approved.astype(np.int64)))
    if approved.all():
        assert found is None
        return
    for each in found.assumed:
        assert 0 <= each.bad <= 1
        for figure in (each.auc, each.threshold, each.approval_rate):
            assert figure.value is None or -1e-9 <= figure.value <= 1 + 1e-9
