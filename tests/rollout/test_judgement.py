"""Each check at its edges, its formula against a reference, and what a judgement never does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import convert
from scipy import stats

from rollout.judgement import Outcome, judge
from rollout.traffic import Histogram, Traffic
from rollout.values import Judgement
from rollout.workload import Health
from tests.rollout.cluster import DEFAULTS

LIMITS = convert(DEFAULTS["rollout"]["judgement"], Judgement)
READY = Health(ready=True)
INFINITE = float("inf")


def traffic(requests=2000, **other):
    """Requests of one application each, half of which are approved."""
    chosen = {
        "rows": requests,
        "approved": requests / 2,
        "seconds": Histogram((0.001, 0.01, 0.1, INFINITE), (0, requests, 0, 0)),
        "scores": Histogram((0.25, 0.5, 0.75, 1), (requests / 4,) * 4),
    }
    found = chosen | other
    return Traffic(requests=requests, cells=7 * found["rows"], **found)


def finding(check, stable, canary, health=READY):
    return next(each for each in judge(stable, canary, health, LIMITS).findings if each.check == check)


def outcome(check, stable, canary):
    return finding(check, stable, canary).outcome


def test_alike_and_enough_is_fine():
    judged = judge(traffic(), traffic(500), READY, LIMITS)
    assert judged.outcome is Outcome.fine
    assert judged.why == "no worse in any check over 500 requests"


@pytest.mark.parametrize(("stable", "canary"), [(0, 0), (2000, 0), (0, 2000), (2000, 499), (499, 2000)])
def test_too_little_traffic_of_either_is_unsure(stable, canary):
    judged = judge(traffic(stable), traffic(canary), READY, LIMITS)
    assert judged.outcome is Outcome.unsure
    assert judged.why == f"too little traffic to tell: {canary} requests, and {stable} of stable"


def test_a_few_first_requests_that_all_fail_are_enough():
    judged = judge(traffic(300), traffic(4, faults=4), READY, LIMITS)
    assert judged.outcome is Outcome.worse
    assert judged.why == "100.0% of its requests fail, of stable's 0.0%"


def test_one_first_failure_is_not_enough():
    assert outcome("errors", traffic(300), traffic(4, faults=1)) is Outcome.unsure


@pytest.mark.parametrize(
    ("faults", "expected"),
    [(20, Outcome.fine), (21, Outcome.worse)],  # one in a hundred is allowed, and over stable's none beyond chance
)
def test_errors_are_worse_beyond_their_threshold(faults, expected):
    assert outcome("errors", traffic(), traffic(faults=faults)) is expected


def test_errors_that_stable_has_too_are_fine():
    assert outcome("errors", traffic(faults=600), traffic(faults=610)) is Outcome.fine


def test_fishers_exact_test_by_hand():
    """All of 3 fail, of stable none of 4: one way in 7 choose 3."""
    assert finding("errors", traffic(4), traffic(3, faults=3)).p_value == pytest.approx(1 / 35)


def test_two_proportions_of_many_are_what_the_z_test_says():
    found = finding("approvals", traffic(approved=1000), traffic(approved=1100))
    pooled = 2100 / 4000
    z = (0.55 - 0.5) / (pooled * (1 - pooled) * 2 / 2000) ** 0.5
    assert found.p_value == pytest.approx(2 * stats.norm.sf(z), rel=0.2)


@pytest.mark.parametrize(
    ("approved", "expected"), [(1100, Outcome.fine), (1102, Outcome.fine), (1150, Outcome.worse), (850, Outcome.worse)]
)
def test_approvals_may_move_five_points_up_or_down_and_by_chance(approved, expected):
    assert outcome("approvals", traffic(), traffic(approved=approved)) is expected


def test_psi_by_hand():
    """(0.4 - 0.25) ln(0.4 / 0.25) + (0.1 - 0.25) ln(0.1 / 0.25)."""
    shifted = Histogram((0.25, 0.5, 0.75, 1), (800, 500, 500, 200))
    found = finding("scores (PSI)", traffic(), traffic(scores=shifted))
    assert found.canary == pytest.approx(0.15 * np.log(1.6) + 0.15 * np.log(2.5))
    assert found.p_value == pytest.approx(stats.chi2_contingency([[500] * 4, [800, 500, 500, 200]]).pvalue)
    assert found.outcome is Outcome.fine
    assert found.limit == LIMITS.psi


def test_scores_that_are_all_elsewhere_are_worse():
    elsewhere = Histogram((0.25, 0.5, 0.75, 1), (2000, 0, 0, 0))
    judged = judge(traffic(), traffic(scores=elsewhere), READY, LIMITS)
    assert judged.why.startswith("its scores are distributed differently: PSI ")


def test_psi_of_few_scores_may_be_as_large_as_chance_makes_it():
    """Its critical value is chi-squared's, times 1/n + 1/m."""
    found = finding("scores (PSI)", traffic(), traffic(40))
    assert found.limit == pytest.approx(stats.chi2.isf(LIMITS.significance, 3) * (1 / 2000 + 1 / 40))
    assert finding("scores (PSI)", traffic(), traffic(10)).outcome is Outcome.unsure


def test_scores_in_other_buckets_cannot_be_compared():
    other = Histogram((0.5, 1), (1000, 1000))
    assert outcome("scores (PSI)", traffic(), traffic(scores=other)) is Outcome.fine


def slower(requests, slow, place=2):
    """So many of the requests in a slower bucket, of up to 100 ms where stable's end at 10."""
    counts = [0, requests - slow, 0, 0]
    counts[place] = slow
    return Histogram((0.001, 0.01, 0.1, INFINITE), tuple(counts))


@pytest.mark.parametrize(
    ("check", "slow", "expected"),
    [
        ("p50 seconds", 700, Outcome.fine),
        ("p50 seconds", 1400, Outcome.worse),
        ("p99 seconds", 20, Outcome.fine),
        ("p99 seconds", 80, Outcome.worse),
    ],
)
def test_latency_is_worse_where_more_requests_are_slow_than_its_quantile_allows(check, slow, expected):
    assert outcome(check, traffic(), traffic(seconds=slower(2000, slow))) is expected


def test_a_quantile_is_tested_as_a_share():
    """2.5 times stable's median is 13.75 ms; above it are 86.25 of 90 of those from 10 to 100 ms."""
    found = finding("p50 seconds", traffic(20_000), traffic(400, seconds=slower(400, 240)))
    assert found.stable == pytest.approx(0.0055)
    expected = stats.binomtest(round(240 * 86.25 / 90), 400, 0.5, "greater").pvalue
    assert found.p_value == pytest.approx(expected)


def test_a_few_slow_requests_prove_nothing_where_stable_had_few():
    few = traffic(10, seconds=slower(10, 3))
    assert finding("p99 seconds", traffic(10), few).p_value > 0.1


@pytest.mark.parametrize("field", ["missing", "out_of_range"])
@pytest.mark.parametrize(("share", "expected"), [(0.02, Outcome.fine), (0.06, Outcome.worse)])
def test_odd_values_are_worse_beyond_two_points(field, share, expected):
    check = field.replace("_", " ")
    stable, canary = (traffic(**{field: part * 7 * 2000}) for part in (0.01, 0.01 + share))
    assert outcome(check, stable, canary) is expected


def test_the_first_odd_value_proves_nothing_however_rare():
    assert outcome("out of range", traffic(100_000), traffic(1, out_of_range=1)) is Outcome.unsure


def test_the_rows_of_one_request_resemble_each_other_and_count_once():
    """A batch of a thousand that is approved whole is one case."""
    batch = traffic(3, rows=3000, approved=3000, scores=Histogram((0.25, 0.5, 0.75, 1), (0, 0, 0, 3000)))
    assert judge(traffic(), batch, READY, LIMITS).outcome is Outcome.unsure


def test_a_restart_is_worse_and_says_why():
    judged = judge(traffic(), traffic(), Health(ready=True, restarts=1, reason="OOMKilled"), LIMITS)
    assert judged.outcome is Outcome.worse
    assert judged.why == "its pods restarted 1 times: OOMKilled"


def test_all_that_is_worse_is_told():
    why = judge(traffic(), traffic(faults=900, approved=1900), READY, LIMITS).why
    assert "45.0% of its requests fail" in why
    assert "it approves 95.0% of its applications, stable 50.0%" in why


counts = st.one_of(st.integers(0, 20), st.integers(0, 10**7)).map(float)
histograms = st.one_of(
    st.just(Histogram()),
    st.tuples(counts, counts, counts, counts).map(lambda four: Histogram((0.1, 0.5, 1, INFINITE), four)),
)
anything = st.builds(
    Traffic,
    requests=counts,
    faults=counts,
    seconds=histograms,
    rows=counts,
    approved=counts,
    scores=histograms,
    missing=counts,
    out_of_range=counts,
)


@given(stable=anything, canary=anything)
def test_a_judgement_of_any_counts_has_an_answer(stable, canary):
    judged = judge(stable, canary, READY, LIMITS)
    assert judged.why
    for each in judged.findings:
        assert 0 <= each.p_value <= 1 + 1e-9
        assert np.isfinite([each.stable, each.canary, each.limit]).all()


@given(same=anything)
def test_the_same_is_never_worse(same):
    assert judge(same, same, READY, LIMITS).outcome is not Outcome.worse
