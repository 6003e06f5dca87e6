"""The trees of scikit-learn's histogram gradient boosting: the one module that reads its private attributes.

Read and compared with `predict_proba` for the versions that the tests name; `pyproject.toml` bounds scikit-learn.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from tabular_model.trees import Leaf, Node, Split, Trees


def trees_of(model: HistGradientBoostingClassifier, positions: Sequence[int], levels: Sequence[int]) -> Trees:
    """The fitted model's trees over the columns of a matrix.

    `positions` are where the model's features stand in the matrix, and `levels` is for each column of the matrix how
    many levels it has, 0 for a number.
    """
    origin = _Origin(model, positions, levels)
    roots = tuple(_node(predictor, 0, origin) for (predictor,) in model._predictors)
    return Trees(roots, float(model._baseline_prediction[0, 0]))


class _Origin:
    """From the model's own features, categories first, and codes to the matrix's columns and levels."""

    def __init__(self, model: HistGradientBoostingClassifier, positions: Sequence[int], levels: Sequence[int]) -> None:
        categorical = model.is_categorical_
        if categorical is None:
            self.columns = list(positions)
            self.codes: list[NDArray[Any]] = []
        else:
            order = [*np.flatnonzero(categorical), *np.flatnonzero(~categorical)]
            self.columns = [positions[index] for index in order]
            self.codes = model._preprocessor.named_transformers_["encoder"].categories_
        self.levels = levels

    def left_levels(self, feature: int, bits: NDArray[np.uint32], missing_left: bool) -> frozenset[int]:
        """The levels that go left: those of the bitset, and with the missing ones those that training did not have."""
        seen = self.codes[feature]
        seen = seen[~np.isnan(seen)].astype(int).tolist()
        left = {level for code, level in enumerate(seen) if bits[code // 32] >> np.uint32(code % 32) & np.uint32(1)}
        unseen = set(range(self.levels[self.columns[feature]])) - set(seen)
        return frozenset(left | unseen if missing_left else left)


def _node(predictor: Any, index: int, origin: _Origin) -> Node:
    node = predictor.nodes[index]
    if node["is_leaf"]:
        return Leaf(float(node["value"]))
    feature, missing_left = int(node["feature_idx"]), bool(node["missing_go_to_left"])
    levels = None
    if node["is_categorical"]:
        levels = origin.left_levels(feature, predictor.raw_left_cat_bitsets[node["bitset_idx"]], missing_left)
    return Split(
        column=origin.columns[feature],
        threshold=float(node["num_threshold"]),
        levels=levels,
        missing_left=missing_left,
        left=_node(predictor, int(node["left"]), origin),
        right=_node(predictor, int(node["right"]), origin),
    )
