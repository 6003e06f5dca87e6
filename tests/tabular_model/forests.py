"""Random trees over numbers and categories, and rows for them."""

import numpy as np
from numpy.typing import NDArray

from tabular_model.trees import Leaf, Node, Split, Trees


def forest(rng: np.random.Generator, levels: list[int], trees: int = 12, depth: int = 4) -> Trees:
    """Trees over as many columns as `levels` has entries, each with that many levels, 0 for a number."""
    return Trees(tuple(_node(rng, levels, depth) for _ in range(trees)), float(rng.normal()))


def rows(rng: np.random.Generator, levels: list[int], count: int) -> NDArray[np.float64]:
    """Rows [count, columns] on and between the thresholds, of every level, a fifth of the values missing."""
    columns = [rng.integers(0, size, count) if size else rng.integers(-4, 5, count) / 2 for size in levels]
    found = np.column_stack(columns).astype(np.float64)
    found[rng.random(found.shape) < 0.2] = np.nan
    return found


def _node(rng: np.random.Generator, levels: list[int], depth: int) -> Node:
    if depth == 0 or rng.random() < 0.15:
        return Leaf(float(rng.normal()))
    column = int(rng.integers(len(levels)))
    size = levels[column]
    chosen = frozenset(rng.choice(size, rng.integers(1, size), replace=False).tolist()) if size else None
    threshold = float("inf") if not size and rng.random() < 0.1 else float(rng.integers(-3, 4) / 2)
    children = (_node(rng, levels, depth - 1), _node(rng, levels, depth - 1))
    return Split(column, threshold, chosen, bool(rng.random() < 0.5), *children)
