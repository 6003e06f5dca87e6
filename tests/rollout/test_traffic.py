"""From counters to what a version did in a window."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_server.counts import SECONDS
from rollout.traffic import Histogram, Series, Traffic

BOUNDS = (*SECONDS, float("inf"))


def series(metric, pod="a", **labels):
    return Series(metric, frozenset({"pod": pod, "version": "v1", **labels}.items()))


def requests(by_status, pod="a"):
    return {series("loan_requests_total", pod, status=status): value for status, value in by_status.items()}


def seconds(up_to, above, pod="a"):
    """A histogram of one bound, as cumulative buckets."""
    return {
        series("loan_request_seconds_bucket", pod, le=le): value
        for le, value in (("0.1", up_to), ("+Inf", up_to + above))
    }


def of(values):
    places = np.digitize(values, SECONDS, right=True)
    return Histogram(BOUNDS, tuple(np.bincount(places, minlength=len(BOUNDS)).astype(float)))


def test_a_window_is_what_was_counted_in_it():
    start = requests({"200": 100, "500": 2})
    end = requests({"200": 160, "500": 3})
    traffic = Traffic.between(start, end)
    assert (traffic.requests, traffic.faults) == (61, 1)


def test_a_series_that_comes_began_at_zero_and_a_pod_that_goes_ends_what_it_did():
    start = requests({"200": 50}, "gone") | requests({"200": 10}, "a")
    end = requests({"200": 15, "503": 1}, "a") | requests({"200": 7}, "new")
    traffic = Traffic.between(start, end)
    assert (traffic.requests, traffic.faults) == (13, 1)


def test_a_pod_that_was_restarted_counts_from_zero_in_all_its_series():
    rows, approved = series("loan_rows_total"), series("loan_approved_rows_total")
    start = {rows: 10, approved: 10} | requests({"200": 40}, "b") | seconds(10, 10)
    end = {rows: 11, approved: 5} | requests({"200": 50}, "b") | seconds(4, 26)
    traffic = Traffic.between(start, end)
    assert (traffic.rows, traffic.approved, traffic.requests) == (11, 5, 10)
    assert traffic.seconds.counts == (4, 26)


@pytest.mark.parametrize(
    ("status", "fault"),
    [("200", 0), ("400", 0), ("404", 0), ("500", 1), ("503", 1), ("OK", 0), ("INVALID_ARGUMENT", 0), ("INTERNAL", 1)],
)
def test_a_fault_is_the_servers_and_not_the_callers(status, fault):
    assert Traffic.between({}, requests({status: 1})).faults == fault


def test_buckets_of_all_pods_and_protocols_are_added_up():
    end = seconds(3, 2, "a") | seconds(1, 1, "b")
    assert Traffic.between({}, end).seconds == Histogram((0.1, float("inf")), (4, 3))


def test_cells_are_the_values_of_all_rows():
    end = series("loan_values_total")
    assert Traffic.between({}, {end: 70}).cells == 70


def test_rows_of_one_request_count_as_one_application():
    assert Traffic(requests=3, rows=300).applications == 3
    assert Traffic(requests=10, faults=4, rows=6).applications == 6


def test_nothing_was_asked():
    empty = Traffic.between({}, {})
    assert empty == Traffic()
    assert (empty.seconds.quantile(0.99), empty.seconds.above(0), empty.seconds.total) == (0, 0, 0)


@given(
    start=st.dictionaries(st.sampled_from([*seconds(0, 0), *requests({"200": 0})]), st.integers(0, 99)),
    end=st.dictionaries(st.sampled_from([*seconds(0, 0), *requests({"200": 0})]), st.integers(0, 99)),
)
def test_no_count_is_ever_negative(start, end):
    traffic = Traffic.between(start, end)
    assert traffic.requests >= 0
    assert all(count >= 0 for count in traffic.seconds.counts)


times = st.lists(st.floats(1e-6, 20), min_size=1, max_size=200).map(np.array)
shares = st.floats(0.01, 0.99)


@given(values=times, share=shares)
def test_a_quantile_lies_in_the_bucket_of_numpys(values, share):
    exact = float(np.quantile(values, share, method="inverted_cdf"))
    place = int(np.digitize(exact, SECONDS, right=True))
    lower = SECONDS[place - 1] if place else 0
    upper = SECONDS[place] if place < len(SECONDS) else SECONDS[-1]
    assert lower <= of(values).quantile(share) <= upper


@given(values=times, share=shares, other=shares)
def test_quantiles_rise_with_their_share(values, share, other):
    low, high = sorted((share, other))
    assert of(values).quantile(low) <= of(values).quantile(high)


@given(values=times.filter(lambda values: values.max() <= SECONDS[-1]), share=shares)
def test_above_is_the_inverse_of_quantile(values, share):
    histogram = of(values)
    assert histogram.above(histogram.quantile(share)) == pytest.approx((1 - share) * histogram.total, abs=1e-6)


@given(values=times, index=st.integers(0, len(SECONDS) - 1))
def test_above_a_bound_is_exact(values, index):
    assert of(values).above(SECONDS[index]) == (values > SECONDS[index]).sum()
