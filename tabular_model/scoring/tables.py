"""Small trees as tables: many rows scored without a branch.

In a tree that is walked the processor must guess every turn, and many of its guesses are wrong: that, not arithmetic,
is the 1.7 ms that onnxruntime takes for 1 000 rows of 100 trees. Here no turn is taken (after QuickScorer, Lucchese et
al., SIGIR 2015). Each split is one bit. For each column a table has, for each interval between its thresholds, the
bits of all splits on it; the bits of a row are the OR of what its columns' tables hold. The bits of a few trees
together are the place of the sum of their leaves in one more table.

Few rows are looked up without numpy, whose calls cost more than the look-ups: a row takes 5 us instead of 16, and 7 in
a server, where onnxruntime's run takes 24, for between two requests the processor forgets its code.

A row has the same probability, to the last bit, alone and among others: all sums are multiples of one power of two,
with so few bits that they are exact in whatever order they are added.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from io import BytesIO
from math import frexp
from struct import Struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tabular_model.scoring.intervals import Intervals
from tabular_model.scoring.logistic import logistic, logistic_of_one
from tabular_model.trees import Leaf, Node, Split, Trees
from tabular_model.trees import splits as splits_of

BITS = 10  # of the trees looked up together: 8 kB of sums, so that those of 50 groups stay in the processor's cache
ROWS_AT_ONCE = 1024  # more would not stay in the processor's cache
FEW_ROWS = 3  # up to which a row at a time is faster than numpy's calls for all of them

Matrix = NDArray[np.float64]
Floats = NDArray[np.float64]
Bits = NDArray[np.int64]


class Column(NamedTuple):
    """The splits on one column: their thresholds in order, and the bits [intervals + missing, groups] of each."""

    position: int
    thresholds: NDArray[np.float64]
    bits: Bits


class Tables:
    """A sum of trees; safe to use from many threads."""

    def __init__(self, columns: Sequence[Column], sums: NDArray[np.float64], baseline: float) -> None:
        """`sums` [groups * 2^BITS] are those of the leaves that a group's bits lead to; `baseline` is added to all."""
        self._columns = columns
        self._sums, self._baseline = sums, baseline = _exact(sums, baseline)
        self._positions = [column.position for column in columns]
        self._intervals = Intervals([column.thresholds for column in columns])
        # In as few bytes as hold them: with two in the place of eight, 1 000 rows take 70 us less.
        self._bits = np.concatenate([column.bits for column in columns]).astype(np.min_scalar_type(len(sums) - 1))
        self._ones = np.ones(len(sums) >> BITS)
        self._row = _Row(columns, sums, baseline)

    def probabilities(self, matrix: Matrix) -> NDArray[np.float64]:
        """Logistic function of baseline and trees, float64 [n], for float64 [n, columns] with NaN for missing."""
        if len(matrix) <= FEW_ROWS:
            return np.array([self._row.probability(row) for row in matrix.tolist()], dtype=np.float64)
        result = np.empty(len(matrix))
        for start in range(0, len(matrix), ROWS_AT_ONCE):
            values = matrix[start : start + ROWS_AT_ONCE].T[self._positions]
            first, *others = self._intervals.find(values)
            place = self._bits.take(first, axis=0)
            for interval in others:
                place |= self._bits.take(interval, axis=0)
            # The product with ones is their sum, by one call of BLAS.
            log_odds = self._sums.take(place) @ self._ones + self._baseline
            result[start : start + ROWS_AT_ONCE] = logistic(log_odds)
        return result

    def encode(self) -> bytes:
        """numpy's own format, without pickles."""
        file = BytesIO()
        parts = {"sums": self._sums, "baseline": np.float64(self._baseline)}
        for index, thresholds, bits in self._columns:
            parts |= {f"thresholds{index}": thresholds, f"bits{index}": bits}
        np.savez_compressed(file, **parts)  # type: ignore[arg-type]
        return file.getvalue()

    @classmethod
    def decode(cls, content: bytes) -> "Tables":
        """What `encode` wrote; pickled objects are refused with ValueError, so that no file can run code."""
        with np.load(BytesIO(content), allow_pickle=False) as parts:
            indices = [int(name.removeprefix("bits")) for name in parts if name.startswith("bits")]
            columns = [Column(i, parts[f"thresholds{i}"], parts[f"bits{i}"]) for i in indices]
            return cls(columns, parts["sums"], float(parts["baseline"]))


class _Row:
    """The same look-ups for one row: the bits of all groups side by side in one large integer."""

    def __init__(self, columns: Sequence[Column], sums: NDArray[np.float64], baseline: float) -> None:
        self._columns = [
            (index, thresholds.tolist(), [int.from_bytes(places.astype("<u4").tobytes(), "little") for places in bits])
            for index, thresholds, bits in columns
        ]
        self._places = Struct(f"<{len(sums) >> BITS}I")
        self._sum = array("d", sums.tobytes()).__getitem__
        self._baseline = baseline

    def probability(self, row: list[float]) -> float:
        together = 0
        for index, thresholds, bits in self._columns:
            value = row[index]
            together |= bits[bisect_left(thresholds, value)] if value == value else bits[-1]  # noqa: PLR0124 - not NaN
        places = self._places.unpack(together.to_bytes(self._places.size, "little"))
        return logistic_of_one(sum(map(self._sum, places)) + self._baseline)


def build(trees: Trees) -> Tables | None:
    """The tables of `trees`; None when a tree has more than `BITS` splits, or none has any."""
    splits = [list(splits_of(root)) for root in trees.roots]
    if max(map(len, splits)) > BITS or not any(splits):
        return None
    groups = list(_groups(splits))
    sums = np.zeros((len(groups), 1 << BITS))
    placed: dict[int, list[_Placed]] = {}
    for group, members in enumerate(groups):
        offset = 0
        for tree in members:
            bits = {id(split): offset + k for k, split in enumerate(splits[tree])}
            sums[group] += _leaves(trees.roots[tree], bits)
            for split in splits[tree]:
                placed.setdefault(split.column, []).append(_Placed(split, group, bits[id(split)]))
            offset += len(bits)
    tables = [_column(index, placed[index], len(groups)) for index in sorted(placed)]
    tables[0].bits[:] |= np.arange(len(groups)) << BITS  # where each group's sums begin
    return Tables(tables, sums.ravel(), trees.baseline)


def _exact(sums: Floats, baseline: float) -> tuple[Floats, float]:
    """Both rounded to multiples of one power of two, of which float64 holds every sum that can come up: 2^-49 or so."""
    largest = float(np.abs(sums.reshape(-1, 1 << BITS)).max(axis=1).sum()) + abs(baseline)
    unit = 2.0 ** (frexp(largest)[1] - 52)
    return np.rint(sums / unit) * unit, round(baseline / unit) * unit


class _Placed(NamedTuple):
    """A split, and its bit in its group."""

    split: Split
    group: int
    bit: int


def _groups(splits: list[list[Split]]) -> Iterator[list[int]]:
    """Trees in turn, as many together as have room in `BITS`."""
    members: list[int] = []
    for tree in range(len(splits)):
        if sum(len(splits[member]) for member in (*members, tree)) > BITS:
            yield members
            members = []
        members.append(tree)
    yield members


def _column(index: int, placed: list[_Placed], groups: int) -> Column:
    """A category's levels are intervals too: each from half below its code to half above."""
    if placed[0].split.levels is None:
        thresholds = np.unique([each.split.threshold for each in placed])
        inside = [_up_to(thresholds, each.split.threshold) for each in placed]
    else:
        levels = [np.array(sorted(each.split.levels or ()), dtype=np.int64) for each in placed]
        thresholds = np.arange(max((int(each.max()) for each in levels if len(each)), default=0) + 1) + 0.5
        inside = levels
    bits = np.zeros((len(thresholds) + 2, groups), dtype=np.int64)
    for (split, group, bit), intervals in zip(placed, inside, strict=True):
        bits[intervals, group] |= 1 << bit
        if split.missing_left:
            bits[-1, group] |= 1 << bit
    return Column(index, thresholds, bits)


def _up_to(thresholds: Floats, threshold: float) -> NDArray[np.int64]:
    """A value goes left when it is not above the threshold, that is in the intervals up to the threshold's own."""
    return np.arange(int(thresholds.searchsorted(threshold)) + 1)


def _leaves(root: Node, bit: dict[int, int]) -> Floats:
    """The leaf's value for every pattern of bits; a set bit is a turn to the left."""
    patterns = np.arange(1 << BITS)

    def below(node: Node) -> Floats:
        if isinstance(node, Leaf):
            return np.full(len(patterns), node.value)
        left = (patterns >> bit[id(node)]) & 1 == 1
        return np.where(left, below(node.left), below(node.right))

    return below(root)
