"""The logistic function: right to a unit in the last place, and alone as among others."""

import math
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tabular_model.scoring.logistic import logistic, logistic_of_one


@given(st.floats(-700, 700))
def test_it_is_right_to_two_units_in_the_last_place(x):
    exact = 1 / (1 + Decimal(-x).exp())
    assert abs(Decimal(logistic_of_one(x)) - exact) <= 2 * Decimal(math.ulp(float(exact)))


@given(st.lists(st.floats(), min_size=1, max_size=40).filter(lambda values: not np.isnan(values).any()))
def test_each_is_as_if_it_were_alone(values):
    assert logistic(np.array(values)).tolist() == [logistic_of_one(value) for value in values]


def test_far_out_it_is_next_to_0_and_1():
    near, far = logistic(np.array([-1e9, 1e9])).tolist()
    assert 0 < near < 1e-300
    assert far == 1
