"""Trees as ONNX's TreeEnsemble operator, of ai.onnx.ml 5, which computes in float64."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from tabular_model.trees import Leaf, Node, Split, Trees

AT_MOST, MEMBER = 0, 6  # the operator's modes of a split


def nodes(trees: Trees) -> tuple[list[NodeProto], dict[str, NDArray[Any]]]:
    """The nodes that make `log_odds` [n, 1] of `X` [n, columns], and their constants."""
    flat = _Flat(trees)
    return [
        helper.make_node("TreeEnsemble", ["X"], ["raw"], domain="ai.onnx.ml", **flat.attributes()),
        helper.make_node("Add", ["raw", "baseline"], ["log_odds"]),
    ], {"baseline": np.array([[trees.baseline]])}


class _Flat:
    """The splits and the leaves of all trees, each in one list; a child is an index and whether it is a leaf."""

    def __init__(self, trees: Trees) -> None:
        self.splits: list[Split] = []
        self.left: list[tuple[int, bool]] = []
        self.right: list[tuple[int, bool]] = []
        self.leaves: list[float] = []
        self.roots = [self._add(_rooted(root))[0] for root in trees.roots]

    def _add(self, node: Node) -> tuple[int, bool]:
        if isinstance(node, Leaf):
            self.leaves.append(node.value)
            return len(self.leaves) - 1, True
        place = len(self.splits)
        self.splits.append(node)
        self.left.append((0, False))
        self.right.append((0, False))
        self.left[place] = self._add(node.left)
        self.right[place] = self._add(node.right)
        return place, False

    def attributes(self) -> dict[str, Any]:
        size = [len(self.splits)]
        modes = [AT_MOST if split.levels is None else MEMBER for split in self.splits]
        thresholds = [split.threshold if split.levels is None else 0.0 for split in self.splits]
        found = {
            "n_targets": 1,
            "aggregate_function": 1,  # sum
            "post_transform": 0,  # none
            "tree_roots": self.roots,
            "nodes_featureids": [split.column for split in self.splits],
            "nodes_modes": helper.make_tensor("modes", TensorProto.UINT8, size, modes),
            "nodes_splits": helper.make_tensor("splits", TensorProto.DOUBLE, size, thresholds),
            "nodes_missing_value_tracks_true": [int(split.missing_left) for split in self.splits],
            "nodes_truenodeids": [index for index, _ in self.left],
            "nodes_trueleafs": [int(leaf) for _, leaf in self.left],
            "nodes_falsenodeids": [index for index, _ in self.right],
            "nodes_falseleafs": [int(leaf) for _, leaf in self.right],
            "leaf_targetids": [0] * len(self.leaves),
            "leaf_weights": helper.make_tensor("weights", TensorProto.DOUBLE, [len(self.leaves)], self.leaves),
        }
        members = self._members()
        if members:
            found["membership_values"] = helper.make_tensor("members", TensorProto.DOUBLE, [len(members)], members)
        return found

    def _members(self) -> list[float]:
        """The levels that go left at each split on a category, NaN behind those of each."""
        found: list[float] = []
        for split in self.splits:
            if split.levels is not None:
                found += [*map(float, sorted(split.levels)), np.nan]
        return found


def _rooted(root: Node) -> Split:
    """The operator's root must be a split: a leaf alone becomes one with the leaf on both sides."""
    return root if isinstance(root, Split) else Split(0, 0.0, None, True, root, root)
