"""The scorecard of credit risk: monotone bins, their weight of evidence, logistic regression, and points.

The log-odds of approval are an intercept and for each column its coefficient times the weight of evidence of the bin
that its value is in (Siddiqi, "Intelligent Credit Scoring", 2nd ed., Wiley 2017).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from tabular_model.estimators.family import Compiled, on_columns, positions
from tabular_model.estimators.newton import regress
from tabular_model.estimators.tree_files import tree_files
from tabular_model.estimators.weight_of_evidence import Binner, Binning, Counts
from tabular_model.parameters import Parameters
from tabular_model.points import FILE, Bin, Card, Variable
from tabular_model.schema import Column, Schema
from tabular_model.totals import Total
from tabular_model.trees import Leaf, Node, Split, Trees

DECIMALS = 2  # of points
MOST_COUNTED = 200_000  # rows of which every value is counted
MOST_VALUES = 10_000  # of a column that are counted of more rows
SOLVER = {"solver": "newton-cholesky", "tol": 1e-8}  # so near that more rows' sums give the same card

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Regressed = Callable[[NDArray[np.intp]], Floats]  # the coefficients of some features, and the intercept, last


class Scorecard(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Fits the matrix [n, features], NaN for missing; `levels` and `directions` are each feature's.

    A feature whose coefficient would be negative would speak against its own evidence, and is left out.
    """

    def __init__(
        self,
        levels: Sequence[int] = (),
        directions: Sequence[int] = (),
        max_bins: int = 6,
        min_bin_share: float = 0.05,
        C: float = 1.0,
        max_iter: int = 1000,
        pdo: float = 20.0,
        base_score: float = 600.0,
        base_odds: float = 50.0,
    ) -> None:
        self.levels = levels
        self.directions = directions
        self.max_bins = max_bins
        self.min_bin_share = min_bin_share
        self.C = C
        self.max_iter = max_iter
        self.pdo = pdo
        self.base_score = base_score
        self.base_odds = base_odds

    def fit(self, X: ArrayLike, y: ArrayLike) -> "Scorecard":
        """For y [n] of 0 and 1."""
        matrix, target = np.asarray(X, dtype=np.float64), np.asarray(y)

        def regressed(kept: NDArray[np.intp]) -> Floats:
            evidence = self.evidence(kept, range(matrix.shape[1])).transform(matrix)
            model = LogisticRegression(C=self.C, max_iter=self.max_iter, **SOLVER).fit(evidence, target)
            return np.append(model.coef_[0], model.intercept_)

        return self.fit_counts([Counts.of(values, target) for values in matrix.T], regressed)

    def fit_counts(self, columns: Sequence[Counts], regressed: Regressed) -> "Scorecard":
        """From the counts of each feature's values."""
        binner = Binner(self.max_bins, self.min_bin_share)
        self.classes_ = np.array([0, 1])
        self.binnings_ = [
            binner.category(counts, levels) if levels else binner.number(counts, direction)
            for counts, levels, direction in zip(columns, self.levels, self.directions, strict=True)
        ]
        return self._weigh(regressed)

    def evidence(self, kept: Iterable[int], places: Sequence[int]) -> "Evidence":
        """Of the features `kept`, where `places` are all features' positions in a matrix."""
        return Evidence(tuple((places[feature], self.binnings_[feature]) for feature in kept))

    def _weigh(self, regressed: Regressed) -> "Scorecard":
        """Sets the coefficients, from a function that gives those of some features, and the intercept, last."""
        approved, rejected = (int(each.sum()) for each in (self.binnings_[0].approved, self.binnings_[0].rejected))
        self.coef_, self.intercept_ = np.zeros(len(self.binnings_)), math.log(approved / rejected)
        kept = np.flatnonzero([binning.varies() for binning in self.binnings_])
        while len(kept):
            *coefficients, self.intercept_ = regressed(kept).tolist()
            if min(coefficients) > 0:
                self.coef_[kept] = coefficients
                break
            kept = np.delete(kept, int(np.argmin(coefficients)))
        return self

    def predict_proba(self, X: ArrayLike) -> Floats:
        """[n, 2]: of rejection and of approval."""
        check_is_fitted(self)
        every = range(len(self.binnings_))
        evidence = self.evidence(every, every).transform(np.asarray(X, dtype=np.float64))
        approval = 1 / (1 + np.exp(-(evidence @ self.coef_ + self.intercept_)))
        return np.column_stack([1 - approval, approval])

    def predict(self, X: ArrayLike) -> Integers:
        """Int64 [n], 1 where approval has a probability of at least 0.5, whatever threshold the version will have."""
        return (self.predict_proba(X)[:, 1] >= 0.5).astype(np.int64)


class Evidence(NamedTuple):
    """The evidence of some features, each with its position in a matrix and its bins."""

    features: tuple[tuple[int, Binning], ...]

    def transform(self, matrix: Floats) -> Floats:
        """[n, columns of the matrix] to [n, features]."""
        return np.column_stack([binning.evidence[binning.find(matrix[:, place])] for place, binning in self.features])


@dataclass(frozen=True)
class ColumnCounts:
    """The counts of each feature."""

    columns: tuple[Counts, ...]

    def __add__(self, other: "ColumnCounts") -> "ColumnCounts":
        return ColumnCounts(tuple(a + b for a, b in zip(self.columns, other.columns, strict=True)))


@dataclass(frozen=True)
class CountsOf:
    """Counts rows' values in the columns at these positions, each raised to the next of its grid if it has one."""

    positions: list[int]
    grids: tuple[Floats | None, ...]

    def __call__(self, matrix: Floats, target: Integers) -> ColumnCounts:
        """Of rows [n, columns of the schema] and their target [n]."""
        columns = zip(self.positions, self.grids, strict=True)
        return ColumnCounts(tuple(Counts.of(_raised(matrix[:, place], grid), target) for place, grid in columns))


def fit_to_all(pipeline: Pipeline, total: Total, rows: int, sample: Floats) -> Pipeline:
    """The pipeline, fitted to the `sample` [n, columns of the schema], fitted to the `rows` that `total` sums over.

    It is as if they had been in memory; with more rows than `MOST_COUNTED`, columns of many values are cut at
    quantiles of the sample.
    """
    model: Scorecard = pipeline["model"]
    places = positions(pipeline)
    grids = tuple(_grid(sample[:, place]) if rows > MOST_COUNTED else None for place in places)

    def regressed(kept: NDArray[np.intp]) -> Floats:
        return regress(total, model.evidence(kept, places), np.zeros(len(kept) + 1), model.C, model.max_iter)

    model.fit_counts(total(CountsOf(places, grids)).columns, regressed)
    return pipeline


def _grid(values: Floats) -> Floats | None:
    """The values at which a column of many is cut; None where each value is counted."""
    distinct = np.unique(values[~np.isnan(values)])
    if len(distinct) <= MOST_VALUES:
        return None
    return np.unique(np.quantile(distinct, np.linspace(0, 1, MOST_VALUES), method="inverted_cdf"))


def _raised(values: Floats, grid: Floats | None) -> Floats:
    if grid is None:
        return values
    places = np.minimum(np.searchsorted(grid, values), len(grid) - 1)
    return np.where(np.isnan(values), np.nan, grid[places])


def build(schema: Schema, features: Sequence[str], parameters: Parameters, seed: int) -> Pipeline:  # noqa: ARG001 - it draws nothing
    """An unfitted pipeline that takes the matrix [n, columns of the schema] and uses the columns `features`."""
    model = Scorecard(
        levels=[len(schema[name].levels) for name in features],
        directions=[schema[name].monotone for name in features],
        **{name: getattr(parameters, name) for name in parameters.__struct_fields__},
    )
    return on_columns(model, schema, features)


def compile(pipeline: Pipeline, schema: Schema) -> Compiled:
    """The files of trees, one a column, and the table of points."""
    model: Scorecard = pipeline["model"]
    used = [
        (position, binning, weight)
        for position, binning, weight in zip(positions(pipeline), model.binnings_, model.coef_.tolist(), strict=True)
        if weight
    ]
    roots = tuple(_tree(position, binning, weight * binning.evidence) for position, binning, weight in used)
    served = tree_files(Trees(roots or (Leaf(0.0),), model.intercept_), len(schema))
    return served._replace(files={**served.files, FILE: _card(model, used, schema).encode()})


def _tree(column: int, binning: Binning, values: Floats) -> Node:
    *present, missing = [Leaf(value) for value in values.tolist()]
    if len(binning.bins):
        node: Node = missing
        for number, leaf in enumerate(present):
            levels = frozenset(np.flatnonzero(binning.bins == number).tolist())
            node = Split(column, 0.0, levels, missing_left=False, left=leaf, right=node)
        return node
    return Split(column, np.inf, None, missing_left=False, left=_halved(column, binning.edges, present), right=missing)


def _halved(column: int, edges: Floats, leaves: Sequence[Node]) -> Node:
    if not len(edges):
        return leaves[0]
    middle = len(edges) // 2
    low, high = (
        _halved(column, edges[:middle], leaves[: middle + 1]),
        _halved(column, edges[middle + 1 :], leaves[middle + 1 :]),
    )
    return Split(column, float(edges[middle]), None, missing_left=True, left=low, right=high)


def _card(model: Scorecard, used: Sequence[tuple[int, Binning, float]], schema: Schema) -> Card:
    """Points are log-odds times pdo / ln 2, shifted so that odds of approval of `base_odds` are `base_score` points."""
    factor = model.pdo / math.log(2)
    offset = model.base_score - factor * math.log(model.base_odds)
    start = offset + factor * model.intercept_
    return Card(
        pdo=model.pdo,
        base_score=model.base_score,
        base_odds=model.base_odds,
        start=round(start, DECIMALS),
        variables=tuple(_variable(schema.columns[p], binning, factor * weight) for p, binning, weight in used),
    )


def _variable(column: Column, binning: Binning, scale: float) -> Variable:
    rows = binning.approved + binning.rejected
    bins = [
        Bin(
            bin=name,
            rows=int(rows[number]),
            approved=int(binning.approved[number]),
            evidence=round(float(binning.evidence[number]), 4),
            points=round(scale * float(binning.evidence[number]), DECIMALS),
        )
        for number, name in enumerate(_names(column, binning))
    ]
    return Variable(column=column.name, information_value=round(binning.information(), 4), bins=tuple(bins))


def _names(column: Column, binning: Binning) -> list[str]:
    last = "missing"
    if len(binning.bins):
        of_bin = [np.flatnonzero(binning.bins == number) for number in range(len(binning.evidence) - 1)]
        return [", ".join(column.levels[level] for level in levels) for levels in of_bin] + [last]
    edges = [f"{edge:.6g}" for edge in binning.edges]
    if not edges:
        return ["any", last]
    between = [f"above {low} to {high}" for low, high in pairwise(edges)]
    return [f"up to {edges[0]}", *between, f"above {edges[-1]}", last]
