"""Sums of columns: their parts are the sums over all coalitions, in closed form."""

import numpy as np

from tabular_model.explain.coalitions import coalitions
from tabular_model.explain.linear import Additive, Levels, Linear
from tests.tabular_model.forests import rows

KINDS = [0, 3, 0, 2]
ADDITIVE = Additive.of([Linear(0, 0.5, 1.0), Levels(1, (0.1, -0.2, 0.7, 0.3)), Levels(3, (1.0, 2.0, 0.0))], 4)


def test_the_parts_are_the_sums_over_all_coalitions() -> None:
    rng = np.random.default_rng(0)
    matrix, baseline = rows(rng, KINDS, 50), rows(rng, KINDS, 1)[0]
    score = coalitions(lambda each: 1 / (1 + np.exp(-ADDITIVE.terms(each).sum(axis=1))), range(4), baseline)
    found = Additive.decode(ADDITIVE.encode()).against(baseline)(matrix)
    np.testing.assert_allclose(found, score(matrix), atol=1e-9)


def test_a_column_outside_the_model_has_no_part() -> None:
    assert (ADDITIVE.terms(rows(np.random.default_rng(1), KINDS, 50))[:, 2] == 0).all()
