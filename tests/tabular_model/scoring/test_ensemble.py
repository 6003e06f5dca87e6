"""Trees as an ONNX graph and as tables give what their plain definition gives."""

import numpy as np
import pytest

from tabular_model.estimators.graph import log_odds_graph
from tabular_model.scoring import ensemble
from tabular_model.scoring.scorer import ONNX, Scorer
from tabular_model.scoring.tables import Tables, build
from tabular_model.trees import Leaf, Trees
from tests.tabular_model.forests import forest, rows

LEVELS = [0, 3, 0, 50, 2, 0]


@pytest.mark.parametrize("seed", range(5))
def test_onnx_gives_what_the_trees_give(seed: int) -> None:
    rng = np.random.default_rng(seed)
    trees, matrix = forest(rng, LEVELS), rows(rng, LEVELS, 500)
    content = log_odds_graph(*ensemble.nodes(trees), len(LEVELS))
    expected = 1 / (1 + np.exp(-trees.log_odds(matrix)))
    np.testing.assert_allclose(Scorer({ONNX: content}, "it").probabilities(matrix), expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_tables_give_what_the_trees_give(seed: int) -> None:
    rng = np.random.default_rng(seed)
    trees, matrix = forest(rng, LEVELS, depth=3), rows(rng, LEVELS, 500)
    tables = build(trees)
    assert tables is not None
    expected = 1 / (1 + np.exp(-trees.log_odds(matrix)))
    for each in (tables, Tables.decode(tables.encode())):
        np.testing.assert_allclose(each.probabilities(matrix), expected, atol=1e-12)
        one_by_one = [each.probabilities(matrix[i : i + 1]) for i in range(len(matrix))]
        np.testing.assert_allclose(np.concatenate(one_by_one), expected, atol=1e-12)


def test_a_tree_of_one_leaf_is_its_value() -> None:
    trees = Trees((Leaf(0.5), Leaf(-2.0)), 0.25)
    content = log_odds_graph(*ensemble.nodes(trees), 1)
    expected = 1 / (1 + np.exp(1.25))
    assert Scorer({ONNX: content}, "it").probabilities(np.array([[1.0], [np.nan]])) == pytest.approx(expected)
    assert build(trees) is None
