"""The distributions of the training data and its scores, to measure drift and to explain scores."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tabular_model.schema import Column, Schema

FILE = "reference.json"
BINS = 10
EMPTY_BIN = 0.5  # what an empty bin counts as, since the stability index takes logarithms
FEWEST_PER_BIN = 5  # below this Pearson's chi-squared approximation does not hold
DISTINCT = 40  # a column with at most this many values gets a bin for each of them


class Distribution(msgspec.Struct, frozen=True):
    """How a quantity was distributed: `counts[i]` values from `edges[i]` up to `edges[i + 1]`.

    `missing` is the share of rows without a value and `mean` the mean of the rows with one.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    missing: float
    mean: float

    @classmethod
    def of(cls, values: NDArray[np.float64], levels: int = 0) -> "Distribution":
        """The distribution of `values` [n], NaN for missing; at least one must be present.

        With `levels` they are codes from 0 up to that number, and each level has its bin.
        """
        present = values[~np.isnan(values)]
        edges = np.linspace(-0.5, levels - 0.5, levels + 1) if levels else _edges(present)
        return cls(
            edges=tuple(edges.tolist()),
            counts=tuple(_counts(present, edges).tolist()),
            missing=1 - len(present) / len(values),
            mean=float(present.mean()),
        )

    def count(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """How many of `values` fall in each bin: outside the edges in the outermost, NaN in none."""
        return _counts(values[~np.isnan(values)], np.asarray(self.edges))


class Reference(msgspec.Struct, frozen=True):
    """`reference.json`: the distribution of each column and of the score over the training rows.

    `baseline` is a typical row that the model approves, by column: explanations tell how another row differs from
    this one.
    """

    rows: int
    columns: dict[str, Distribution]
    score: Distribution
    baseline: dict[str, float]

    @classmethod
    def of(
        cls,
        schema: Schema,
        matrix: NDArray[np.float64],
        probability: NDArray[np.float64],
        threshold: float,
    ) -> "Reference":
        """The reference for training rows `matrix` [n, columns] that the model gave `probability` [n]."""
        approved = matrix[probability >= threshold]
        return cls(
            rows=len(matrix),
            columns={c.name: Distribution.of(matrix[:, i], len(c.levels)) for i, c in enumerate(schema.columns)},
            score=Distribution.of(probability),
            baseline=_typical(schema, approved if len(approved) else matrix),
        )

    def encode(self) -> bytes:
        """UTF-8 JSON, indented by two spaces, its keys in the order of the fields."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)

    @classmethod
    def decode(cls, content: bytes) -> "Reference":
        """msgspec.DecodeError for other JSON than a reference's; fields that it does not know are ignored."""
        return msgspec.json.decode(content, type=cls)


def stability_index(expected: NDArray[Any], found: NDArray[Any]) -> float:
    """The population stability index of counts [bins]: the sum of (p - q) ln(p / q) over the shares of each bin.

    The usual one of credit risk (Siddiqi, Credit Risk Scorecards, 2006): 0 where both are distributed alike.
    """
    p, q = (np.maximum(each, EMPTY_BIN) / np.maximum(each, EMPTY_BIN).sum() for each in (expected, found))
    return float(((p - q) * np.log(p / q)).sum())


def merged_bins(counts: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
    """The `counts` [2, bins] of two samples of `rows` [2], neighbouring bins merged until each has enough in both.

    Enough is `FEWEST_PER_BIN` of the smaller sample, were both distributed alike.
    """
    needed = FEWEST_PER_BIN * rows.sum() / rows.min()
    pooled = counts.sum(axis=0)
    starts, held = [0], 0.0
    for place, count in enumerate(pooled):
        held += count
        if held >= needed and pooled[place + 1 :].sum() >= needed:
            starts.append(place + 1)
            held = 0.0
    merged: NDArray[Any] = np.add.reduceat(counts, starts, axis=1)
    return merged


def _typical(schema: Schema, matrix: NDArray[np.float64]) -> dict[str, float]:
    """Per column the median, as a value that occurred, or the most frequent level."""
    return {column.name: _typical_value(column, matrix[:, i]) for i, column in enumerate(schema.columns)}


def _typical_value(column: Column, values: NDArray[np.float64]) -> float:
    """The middle of the range, or the first level, where no value occurred."""
    present = values[~np.isnan(values)]
    if column.type == "category":
        return float(np.bincount(present.astype(np.int64), minlength=1).argmax())
    middle = (column.minimum + column.maximum) / 2
    return float(np.quantile(present, 0.5, method="nearest")) if len(present) else middle


def _edges(present: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges midway between the values when there are few, else at the deciles."""
    distinct = np.unique(present)
    if len(distinct) > DISTINCT:
        return np.unique(np.quantile(present, np.linspace(0, 1, BINS + 1)))
    return np.concatenate([[distinct[0] - 0.5], (distinct[1:] + distinct[:-1]) / 2, [distinct[-1] + 0.5]])


def _counts(present: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    counts: NDArray[Any] = np.histogram(np.clip(present, edges[0], edges[-1]), bins=edges)[0]
    return counts.astype(np.int64)
