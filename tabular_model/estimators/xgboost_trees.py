"""The trees of XGBoost, from its documented JSON: https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tabular_model.trees import Leaf, Node, Split, Trees


def trees_of(booster: Any, positions: Sequence[int], levels: Sequence[int]) -> Trees:
    """The trees of a booster of `binary:logistic` over the columns of a matrix.

    `positions` are where its features stand in the matrix, and `levels` is for each column of the matrix how many
    levels it has, 0 for a number.
    """
    learner = json.loads(booster.save_raw("json"))["learner"]
    (base,) = json.loads(learner["learner_model_param"]["base_score"])
    trees = learner["gradient_booster"]["model"]["trees"]
    return Trees(tuple(_root(tree, positions, levels) for tree in trees), math.log(base / (1 - base)))


def _root(tree: Mapping[str, Any], positions: Sequence[int], levels: Sequence[int]) -> Node:
    right_levels = _right_levels(tree)
    nodes: dict[int, Node] = {}
    waiting = [0]
    while waiting:
        number = waiting[-1]
        left, right = tree["left_children"][number], tree["right_children"][number]
        if left < 0:
            nodes[waiting.pop()] = Leaf(tree["split_conditions"][number])
        elif left in nodes:
            column, to_right = positions[tree["split_indices"][number]], right_levels.get(number)
            nodes[waiting.pop()] = Split(
                column=column,
                threshold=0.0 if to_right is not None else _threshold(tree["split_conditions"][number]),
                levels=None if to_right is None else frozenset(range(levels[column])) - to_right,
                missing_left=bool(tree["default_left"][number]),
                left=nodes[left],
                right=nodes[right],
            )
        else:
            waiting += [right, left]
    return nodes[0]


def _right_levels(tree: Mapping[str, Any]) -> dict[int, frozenset[int]]:
    """By number of a split on a category, the levels that go right."""
    levels = tree["categories"]
    parts = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
    return {node: frozenset(levels[start : start + size]) for node, start, size in parts}


def _threshold(condition: float) -> float:
    """The greatest float64 that XGBoost, which rounds a value to float32, finds to be less than `condition`."""
    greatest = np.nextafter(np.float32(condition), np.float32(-np.inf))
    middle = (float(greatest) + float(np.float32(condition))) / 2
    # Half-way between two float32, a value is rounded to the even one.
    return middle if np.float32(middle) == greatest else float(np.nextafter(middle, -np.inf))
