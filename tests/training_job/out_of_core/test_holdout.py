import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_job.out_of_core.holdout import Holdout, spread
from training_job.out_of_core.table import Block, hashes

ROWS = np.random.default_rng(0).normal(size=(20_000, 3))
TARGET = np.zeros(len(ROWS), np.int64)


def block(matrix: np.ndarray = ROWS, target: np.ndarray = TARGET, groups: np.ndarray | None = None) -> Block:
    rows = hashes(matrix, target)
    return Block(matrix, target, rows, rows if groups is None else groups.astype(np.uint64), 0, None)


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.1, 0.5))
def test_about_the_share_is_held_out_and_chosen_by_the_seed(seed: int, share: float) -> None:
    held = Holdout(share, seed).of(block())
    assert held.mean() == pytest.approx(share, abs=0.02)
    other = Holdout(share, seed + 1).of(block())
    assert (held & other).mean() == pytest.approx(share**2, abs=0.02)
    drawn = spread(block().rows, seed + 1) < 0.3  # as a sample is
    assert (held & drawn).mean() == pytest.approx(0.3 * share, abs=0.02)


@given(order=st.permutations(range(8)))
def test_a_row_is_held_out_wherever_it_stands(order: list[int]) -> None:
    some = block(ROWS[:8], TARGET[:8])
    moved = block(ROWS[:8][order], TARGET[:8])
    assert np.array_equal(Holdout(0.5, 7).of(moved), Holdout(0.5, 7).of(some)[order])


def test_equal_rows_are_together_and_another_target_makes_another_row() -> None:
    twice = np.repeat(np.array([[1.0, np.nan, 0.0], [1.0, np.nan, -0.0], [2.0, 0.0, 0.0]]), 2, axis=0)
    found = hashes(twice, np.array([0, 0, 0, 0, 0, 1]))
    assert len(set(found[:4])) == 1
    assert len(set(found)) == 3


def test_groups_are_together_and_those_that_are_held_are_not_trained_on() -> None:
    groups = np.arange(len(ROWS)) // 4
    held = Holdout(0.25, 0).of(block(groups=groups)).reshape(-1, 4)
    assert (held.all(axis=1) == held.any(axis=1)).all()
    without = Holdout(0.25, 0, held=frozenset({0, 1}))
    assert not without.trained(block(groups=groups))[:8].any()
