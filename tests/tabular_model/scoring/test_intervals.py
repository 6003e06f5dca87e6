"""The grid finds what a binary search finds, whatever the thresholds and the values."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tabular_model.scoring.intervals import Intervals

# Near each other or far, so that many thresholds share a cell or none does.
numbers = st.one_of(st.floats(-1e6, 1e6), st.integers(-3, 3).map(float), st.floats(0, 1e-9), st.sampled_from([np.inf]))
columns = st.lists(st.lists(numbers, min_size=1, max_size=30, unique=True).map(sorted), min_size=1, max_size=4)


@given(columns, st.lists(st.floats(), max_size=20))
def test_intervals_are_those_of_a_binary_search(thresholds: list[list[float]], values: list[float]) -> None:
    found = Intervals([np.array(each) for each in thresholds])
    offset = 0
    for number, each in enumerate(thresholds):
        beside = [np.nextafter(value, way) for value in each for way in (-np.inf, np.inf)]
        tried = np.array([*values, *each, *beside, np.nan, np.inf, -np.inf])
        expected = np.where(np.isnan(tried), len(each) + 1, np.searchsorted(each, tried)) + offset
        np.testing.assert_array_equal(found.find(np.tile(tried, (len(thresholds), 1)))[number], expected)
        offset += len(each) + 2
