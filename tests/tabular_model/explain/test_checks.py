"""Reasons that hold pass, and those that do not are found."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tabular_model.explain import explainer
from tabular_model.explain.checks import ENOUGH, NEAREST, Explained, ReasonChecks
from tabular_model.schema import Column

COLUMNS = tuple(Column(name=name, range=(-5, 5)) for name in ("a", "b", "c"))
TYPICAL = {"a": 1.0, "b": 1.0, "c": 1.0}
THRESHOLD = 0.5

Floats = NDArray[np.float64]


def checked(
    log_odds: Callable[[Floats], Floats], matrix: Floats, columns: tuple[Column, ...] = COLUMNS
) -> ReasonChecks:
    def score(rows: Floats) -> Floats:
        return np.asarray(1 / (1 + np.exp(-log_odds(rows))))

    explained = explainer({}, score, columns, [column.name for column in columns], TYPICAL)
    return Explained(columns, score, explained, THRESHOLD).check(matrix, matrix, 0)


def drawn(rows: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=(rows, 3))


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3), st.integers(0, 100))
@settings(max_examples=20)
def test_in_a_sum_of_columns_every_repair_raises_the_score(weights: list[float], seed: int) -> None:
    found = checked(lambda rows: rows @ np.array(weights) - 1, drawn(200, seed))
    assert found.raised.value in (None, 1.0)


def test_a_repair_that_lowers_the_score_is_found() -> None:
    """One low value of the first two columns is worse than both, so that of both none can be repaired alone."""
    both_low = -np.abs(drawn(200))
    found = checked(lambda rows: np.array([1.0, -3.0, -1.0])[(rows[:, :2] < 0).sum(axis=1)], both_low)
    assert (found.rows, found.raised.value) == (200, 0.0)
    assert found.same_first.value is not None


def test_reasons_that_hang_on_the_last_digit_are_found() -> None:
    steady = checked(lambda rows: 3 * rows[:, 0] + rows[:, 1] - 1, drawn(1000))
    assert steady.same_first.low is not None
    assert steady.same_first.low > 0.9
    saw = checked(lambda rows: np.sin(1000 * rows[:, 0]) + np.sin(1000 * rows[:, 1]) - 1, drawn(1000))
    assert saw.same_first.high is not None
    assert saw.same_first.high < 0.9


def test_categories_flags_and_missing_values_have_no_noise() -> None:
    columns = (
        Column(name="a", type="category", levels=("x", "y", "z"), missing=True),
        Column(name="b", type="boolean"),
        Column(name="c", type="integer", range=(0, 1)),
    )
    rng = np.random.default_rng(0)
    matrix = np.column_stack([rng.integers(0, 3, 300), rng.integers(0, 2, (300, 2))]).astype(np.float64)
    matrix[:50, 0] = np.nan
    found = checked(lambda rows: np.nan_to_num(rows[:, 0]) + rows[:, 1] + rows[:, 2] - 2.5, matrix, columns)
    assert found.rows > ENOUGH
    assert found.same_set.value == 1.0


def test_only_the_rejected_next_to_the_threshold_are_taken() -> None:
    found = checked(lambda rows: rows.sum(axis=1), drawn(5000))
    assert found.rows == NEAREST
    assert found.crossed.value is not None
    assert found.crossed.value > 0.9  # the nearest half of them needs little


@pytest.mark.parametrize("rows", [1, ENOUGH - 1])
def test_few_rows_are_too_few_to_tell(rows: int) -> None:
    found = checked(lambda rows: rows[:, 0] - 100, drawn(rows))
    assert found.rows <= rows
    assert not found.enough


def test_without_a_rejected_row_there_is_no_share() -> None:
    found = checked(lambda rows: rows[:, 0] + 100, drawn(50))
    assert (found.rows, found.without, found.raised.value, found.same_set.low) == (0, 0, None, None)


def test_rows_without_a_reason_are_counted_apart() -> None:
    found = checked(lambda rows: 0 * rows[:, 0] - 1, drawn(50))
    assert (found.rows, found.without) == (0, 50)
