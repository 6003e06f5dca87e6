"""The parts of trees' scores are the sums over all coalitions, in any number of columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from tabular_model.estimators.histogram_trees import trees_of
from tabular_model.explain.coalitions import coalitions
from tabular_model.explain.leaves import Leaves
from tests.tabular_model.forests import forest, rows

shap = pytest.importorskip("shap")


@given(seed=st.integers(0, 10_000), levels=st.lists(st.sampled_from([0, 0, 2, 3, 9]), min_size=1, max_size=6))
def test_they_are_the_sums_over_all_coalitions(seed: int, levels: list[int]) -> None:
    rng = np.random.default_rng(seed)
    trees = forest(rng, levels, trees=5)
    matrix, baseline = rows(rng, levels, 12), rows(rng, levels, 1)[0]
    expected = coalitions(lambda each: 1 / (1 + np.exp(-trees.log_odds(each))), range(len(levels)), baseline)(matrix)
    found = Leaves.decode(Leaves.build(trees).encode()).against(baseline)(matrix)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@given(seed=st.integers(0, 10_000))
def test_they_add_up_to_the_difference_from_the_baseline(seed: int) -> None:
    rng = np.random.default_rng(seed)
    levels = [0, 5] * 15
    trees = forest(rng, levels, trees=20, depth=5)
    matrix, baseline = rows(rng, levels, 20), rows(rng, levels, 1)[0]
    found = Leaves.build(trees).against(baseline)(matrix)
    np.testing.assert_allclose(found.sum(axis=1), trees.log_odds(matrix) - trees.log_odds(baseline[None]), atol=1e-9)


def test_many_rows_are_explained_as_one_by_one() -> None:
    rng = np.random.default_rng(0)
    trees = forest(rng, [0, 4, 0], trees=40)
    matrix, baseline = rows(rng, [0, 4, 0], 3000), rows(rng, [0, 4, 0], 1)[0]
    parts = Leaves.build(trees).against(baseline)
    one_by_one = np.concatenate([parts(matrix[i : i + 1]) for i in (0, 1500, 2999)])
    np.testing.assert_allclose(parts(matrix)[[0, 1500, 2999]], one_by_one, atol=1e-12)


def test_they_are_the_shap_librarys_on_fifty_columns() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(3000, 50))
    target = (matrix @ rng.normal(size=50) * 0.5 + matrix[:, 0] * matrix[:, 1] + rng.normal(size=3000)) > 0
    model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=6, random_state=0).fit(matrix, target)
    explained = shap.TreeExplainer(model, data=matrix[:1], feature_perturbation="interventional", model_output="raw")
    found = Leaves.build(trees_of(model, range(50), [0] * 50)).against(matrix[0])(matrix[1:40])
    np.testing.assert_allclose(found, explained.shap_values(matrix[1:40], check_additivity=False), atol=1e-6)
