"""Exact Shapley values of trees against one baseline, in time linear in their leaves and depth.

A leaf is a box: for each column on the way to it, the values that lead there. With the baseline's value in the place
of an absent column's, a coalition of columns reaches the leaf when each column of the box whose baseline value lies
outside is present, and each whose own value lies outside is absent. With a columns of the first kind, b of the second,
and none of both, a column of the first kind has the part v (a-1)! b! / (a+b)! of the leaf's value v, and one of the
second -v a! (b-1)! / (a+b)! (Laberge and Pequignot, "Understanding Interventional TreeSHAP", arXiv 2209.15123; the
values are those of Lundberg et al., Nature Machine Intelligence 2, 2020).
"""

from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from math import factorial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tabular_model.trees import Leaf, Node, Split, Trees

FILE = "explain_trees.npz"
CELLS_AT_ONCE = 200_000  # rows times sides of boxes: 1.6 MB an array, so that no call of numpy keeps others waiting

Floats = NDArray[np.float64]


class Side(NamedTuple):
    """What a box asks of one column: above `low` and at most `high`, or missing if `missing`.

    Of a category it asks a level of `levels`, or with `others` any level but those.
    """

    low: float
    high: float
    missing: bool
    levels: frozenset[int] = frozenset()
    others: bool = True


Box = dict[int, Side]
ANYTHING = Side(-np.inf, np.inf, missing=True)


class Leaves:
    """The boxes and values of all leaves, as arrays: a leaf's sides stand together, in the order of the leaves."""

    def __init__(self, parts: Mapping[str, NDArray[np.generic]]) -> None:
        self._parts = parts
        self._values = parts["values"].astype(np.float64)
        self._leaf = parts["leaf"].astype(np.intp)
        self._column = parts["column"].astype(np.intp)
        self._low, self._high = parts["low"].astype(np.float64), parts["high"].astype(np.float64)
        self._missing = parts["missing"].astype(np.bool_)
        # For a side on a category where its levels begin in `allowed`, and how many there are; else 0 of them.
        self._start, self._size = parts["start"].astype(np.intp), parts["size"].astype(np.intp)
        self._allowed = parts["allowed"].astype(np.bool_)

    @classmethod
    def build(cls, trees: Trees) -> "Leaves":
        """The leaves of `trees`."""
        boxes = [found for root in trees.roots for found in _boxes(root, {})]
        sides = [(leaf, column, side) for leaf, (box, _) in enumerate(boxes) for column, side in box.items()]
        allowed = [_flags(side) for *_, side in sides]
        sizes = [len(flags) for flags in allowed]
        return cls(
            {
                "values": np.array([value for _, value in boxes]),
                "leaf": np.array([leaf for leaf, *_ in sides], dtype=np.int64),
                "column": np.array([column for _, column, _ in sides], dtype=np.int64),
                "low": np.array([side.low for *_, side in sides]),
                "high": np.array([side.high for *_, side in sides]),
                "missing": np.array([side.missing for *_, side in sides], dtype=np.bool_),
                "start": np.cumsum([0, *sizes])[:-1],
                "size": np.array(sizes, dtype=np.int64),
                "allowed": np.concatenate([np.zeros(0, dtype=np.bool_), *allowed]),
            }
        )

    def encode(self) -> bytes:
        """numpy's own format, without pickles."""
        file = BytesIO()
        np.savez_compressed(file, **self._parts)  # type: ignore[arg-type]
        return file.getvalue()

    @classmethod
    def decode(cls, content: bytes) -> "Leaves":
        """From the bytes of `encode`."""
        with np.load(BytesIO(content), allow_pickle=False) as parts:
            return cls(dict(parts))

    def against(self, baseline: Floats) -> Callable[[Floats], Floats]:
        """The function that gives, for rows [n, columns], the parts of their log-odds against `baseline` [columns]."""
        columns = len(baseline)
        if not len(self._leaf):
            return lambda matrix: np.zeros((len(matrix), columns))
        start_of_leaf = np.flatnonzero(np.diff(self._leaf, prepend=-1))
        leaf = np.cumsum(np.diff(self._leaf, prepend=-1) != 0) - 1  # numbered without those that have no sides
        outside = ~self._holds(baseline[None])[0]
        needed = np.add.reduceat(outside.astype(np.int64), start_of_leaf)
        sides = np.diff(np.append(start_of_leaf, len(leaf)))
        present, absent = _weights(self._values[self._leaf[start_of_leaf]], needed, sides - needed)
        by_column = np.argsort(self._column, kind="stable")
        start_of_column = np.flatnonzero(np.diff(self._column[by_column], prepend=-1))
        used = self._column[by_column][start_of_column]

        def contributions(matrix: Floats) -> Floats:
            parts = np.zeros((len(matrix), columns))
            at_once = max(1, CELLS_AT_ONCE // len(leaf))
            for start in range(0, len(matrix), at_once):
                wrong = ~self._holds(matrix[start : start + at_once])
                never = np.add.reduceat(wrong & outside, start_of_leaf, axis=1, dtype=np.int64) > 0
                away = np.add.reduceat(wrong & ~outside, start_of_leaf, axis=1, dtype=np.int64)
                away[never] = -1  # the last weight is 0
                leaves = np.arange(len(start_of_leaf))
                gained, lost = present[leaves, away], absent[leaves, away]
                shares = np.where(outside, gained[:, leaf], np.where(wrong, lost[:, leaf], 0.0))
                found = np.add.reduceat(shares[:, by_column], start_of_column, axis=1)
                parts[start : start + at_once, used] = found
            return parts

        return contributions

    def _holds(self, matrix: Floats) -> NDArray[np.bool_]:
        """Whether each row's value is inside each side, [n, sides]."""
        values = matrix[:, self._column]
        missing = np.isnan(values)
        inside = (values > self._low) & (values <= self._high)
        if len(self._allowed):
            # The last flag of a side stands for all levels that it does not name.
            code = np.minimum(np.where(missing, 0, values), self._size - 1).astype(np.intp)
            listed = self._allowed.take(self._start + np.maximum(code, 0), mode="clip")
            inside = np.where(self._size > 0, listed, inside)
        return np.where(missing, self._missing, inside)


def _weights(values: Floats, needed: NDArray[np.int64], most: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """For each leaf and each b from 0 to the most there can be, the part of a column that must be present or absent.

    The last column is 0, for a leaf that no coalition reaches.
    """
    present, absent = np.zeros((2, len(values), int(most.max()) + 2))
    for leaf, (value, a, sides) in enumerate(zip(values.tolist(), needed.tolist(), most.tolist(), strict=True)):
        for b in range(sides + 1):
            whole = factorial(a + b)
            present[leaf, b] = value * factorial(a - 1) * factorial(b) / whole if a else 0.0
            absent[leaf, b] = -value * factorial(a) * factorial(b - 1) / whole if b else 0.0
    return present, absent


def _boxes(node: Node, box: Box) -> Iterator[tuple[Box, float]]:
    """Each leaf below a node, with its box; sides of leaves that nothing reaches are empty, and harmless."""
    if isinstance(node, Leaf):
        yield box, node.value
        return
    side = box.get(node.column, ANYTHING)
    left, right = _cut(node, side)
    yield from _boxes(node.left, box | {node.column: left})
    yield from _boxes(node.right, box | {node.column: right})


def _cut(split: Split, side: Side) -> tuple[Side, Side]:
    missing_left = side.missing and split.missing_left
    missing_right = side.missing and not split.missing_left
    if split.levels is None:
        left = side._replace(high=min(side.high, split.threshold), missing=missing_left)
        return left, side._replace(low=max(side.low, split.threshold), missing=missing_right)
    left = _only(side, split.levels)._replace(missing=missing_left)
    return left, _without(side, split.levels)._replace(missing=missing_right)


def _only(side: Side, levels: frozenset[int]) -> Side:
    return side._replace(levels=levels - side.levels if side.others else levels & side.levels, others=False)


def _without(side: Side, levels: frozenset[int]) -> Side:
    return side._replace(levels=side.levels | levels if side.others else side.levels - levels)


def _flags(side: Side) -> NDArray[np.bool_]:
    """Whether each level is inside, up to the highest that is named, and then all others; nothing for a number."""
    if side.others and not side.levels:
        return np.zeros(0, dtype=np.bool_)
    flags = np.full(max(side.levels, default=-1) + 2, side.others)
    flags[list(side.levels)] = not side.others
    return flags
