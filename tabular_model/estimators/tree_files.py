"""A sum of trees in all the forms that serve, whatever has learned them."""

import math

from tabular_model.estimators.family import Compiled
from tabular_model.estimators.graph import log_odds_graph
from tabular_model.explain.leaves import FILE as EXPLANATION
from tabular_model.explain.leaves import Leaves
from tabular_model.scoring import ensemble, tables
from tabular_model.scoring.scorer import ONNX, TABLES
from tabular_model.trees import Trees


def tree_files(trees: Trees, columns: int) -> Compiled:
    """ONNX in float64, tables where the trees are small enough for them, and the leaves for explanations."""
    nodes, constants = ensemble.nodes(trees)
    files = {
        ONNX: log_odds_graph(nodes, constants, columns),
        EXPLANATION: Leaves.build(trees).encode(),
    }
    if built := tables.build(trees):
        files[TABLES] = built.encode()
    return Compiled(files, _thresholds(trees))


def _thresholds(trees: Trees) -> frozenset[tuple[int, float]]:
    numeric = (split for split in trees.splits() if split.levels is None)
    # An infinite one parts missing values from present ones.
    return frozenset((split.column, split.threshold) for split in numeric if math.isfinite(split.threshold))
