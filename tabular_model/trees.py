"""A sum of decision trees, whatever library has learned them.

A row goes left at a split when its value is at most the threshold, or is among the levels of a split on a category;
a missing value goes where the split says. The model's log-odds are the leaves that a row reaches, and the baseline.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Split(NamedTuple):
    """One split: `column` is the position in the matrix; `levels` are those that go left, None for a number.

    A `threshold` of infinity parts the missing values from all others.
    """

    column: int
    threshold: float
    levels: frozenset[int] | None
    missing_left: bool
    left: "Node"
    right: "Node"


class Leaf(NamedTuple):
    """What a row that comes here adds to the log-odds."""

    value: float


Node = Split | Leaf


class Trees(NamedTuple):
    """The trees, and what is added to the sum of their leaves."""

    roots: tuple[Node, ...]
    baseline: float

    def splits(self) -> Iterator[Split]:
        """Every split of every tree."""
        for root in self.roots:
            yield from splits(root)

    def log_odds(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """The plain definition, one row and one tree after the other: what faster forms are compared with."""
        return np.array([self.baseline + sum(_reached(root, row) for root in self.roots) for row in matrix.tolist()])


def splits(root: Node) -> Iterator[Split]:
    """The splits of one tree, the root first, then those of its left side."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Split):
            yield node
            waiting += [node.right, node.left]


def goes_left(split: Split, value: float) -> bool:
    """Whether a row with this value of the split's column goes left; NaN is missing."""
    if value != value:  # noqa: PLR0124 - only NaN is unlike itself
        return split.missing_left
    return value <= split.threshold if split.levels is None else int(value) in split.levels


def _reached(root: Node, row: list[float]) -> float:
    node = root
    while isinstance(node, Split):
        node = node.left if goes_left(node, row[node.column]) else node.right
    return node.value
