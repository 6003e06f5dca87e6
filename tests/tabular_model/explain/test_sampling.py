"""Parts of scores estimated by permutation sampling, and how sure they are."""

import numpy as np
import pytest

from tabular_model.explain.coalitions import coalitions
from tabular_model.explain.sampling import sampled

Floats = np.ndarray


def logistic(log_odds: Floats) -> Floats:
    return 1 / (1 + np.exp(-log_odds))


def summed(matrix: Floats) -> Floats:
    return 0.3 * matrix[:, 0] - 0.5 * np.abs(matrix[:, 1]) + matrix[:, 2] ** 2 / 5


def additive(matrix: Floats) -> Floats:
    return logistic(summed(matrix))


def pairs(matrix: Floats) -> Floats:
    return logistic(summed(matrix) + matrix[:, 0] * matrix[:, 1] / 2 - matrix[:, 2] * matrix[:, 3])


def tangled(matrix: Floats) -> Floats:
    """All columns act together, as in deep trees."""
    return logistic(np.where((matrix > 0).sum(axis=1) > 4, 1.5, -0.5) + np.maximum(matrix[:, :4].max(axis=1), 0))


ROWS = np.random.default_rng(0).normal(size=(20, 8))
BASELINE = np.random.default_rng(1).normal(size=8)


@pytest.mark.parametrize("score", [additive, pairs])
def test_sums_of_columns_and_pairs_are_exact(score) -> None:
    found = sampled(score, list(range(8)), BASELINE)(ROWS)
    np.testing.assert_allclose(found.values, coalitions(score, range(8), BASELINE)(ROWS), atol=1e-9)
    assert found.errors.max() < (1e-9 if score is additive else 1)


def test_estimates_are_as_sure_as_they_say() -> None:
    found = sampled(tangled, list(range(8)), BASELINE)(ROWS)
    exact = coalitions(tangled, range(8), BASELINE)(ROWS)
    off = np.abs(found.values - exact) / np.maximum(found.errors, 1e-12)
    assert found.errors.max() > 0
    assert np.mean(off[found.errors > 1e-9] < 2) > 0.9


def test_parts_add_up_and_are_the_same_every_time() -> None:
    explain = sampled(tangled, list(range(8)), BASELINE)
    found = explain(ROWS)
    odds = np.log(tangled(ROWS) / (1 - tangled(ROWS))) - np.log(tangled(BASELINE[None]) / (1 - tangled(BASELINE[None])))
    np.testing.assert_allclose(found.values.sum(axis=1), odds, atol=1e-9)
    np.testing.assert_array_equal(explain(ROWS[3:4]).values[0], found.values[3])


def test_a_column_that_is_no_feature_has_no_part() -> None:
    found = sampled(additive, [0, 2], BASELINE)(ROWS)
    assert not found.values[:, [1, 3, 4, 5, 6, 7]].any()
