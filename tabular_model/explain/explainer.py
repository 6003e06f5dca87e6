"""Reason codes: what lowered an applicant's score, most important first.

Each column's part in the log-odds is its Shapley value against a typical row that is approved. The parts add up to the
applicant's log-odds less those of the typical row. A column that is protected or a declared proxy has its part, but is
never a reason. Columns whose parts are equal to `DECIMALS` stand in the order of their names, so that reasons do not
depend on the order of columns in a request, a file or the declaration.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tabular_model.explain import leaves, linear
from tabular_model.explain.coalitions import MOST_FEATURES, Score, coalitions
from tabular_model.explain.leaves import Leaves
from tabular_model.explain.linear import Additive
from tabular_model.explain.parts import Parts
from tabular_model.explain.sampling import sampled
from tabular_model.schema import Column

REASONS = 4
DECIMALS = 9  # of parts that are compared; a part that does not lower the score by so much is no reason
_LOW, _HIGH, _MISSING, _NONE = range(4)

Floats = NDArray[np.float64]


class Reasons(NamedTuple):
    """For each row `REASONS` codes, and the largest standard error of their parts in log-odds; None if exact.

    `parts` are those of all columns [n, columns]. `columns` [n, `REASONS`] are the places of the columns that the codes
    are of, -1 where there is none.
    """

    codes: list[list[str]]
    standard_error: float | None
    parts: Floats
    columns: NDArray[np.int64]


class Explainer:
    """Explains the scores of one model; `parts` gives the parts of the log-odds for rows [n, columns]."""

    def __init__(self, parts: Callable[[Floats], Parts], columns: Sequence[Column], baseline: Floats) -> None:
        self._parts = parts
        self.baseline = baseline
        self._codes = np.array([_codes(column) for column in columns], dtype=object)
        self._given = np.array(_by_name(columns, [i for i, each in enumerate(columns) if each.can_be_reason]), np.intp)

    def contributions(self, matrix: Floats) -> Floats:
        """The parts of the log-odds [n, columns]."""
        return self._parts(matrix).values

    def reason_codes(self, matrix: Floats) -> list[list[str]]:
        """For each row up to four codes such as `CREDIT_SCORE_LOW`, padded with empty strings."""
        return self.reasons(matrix).codes

    def reasons(self, matrix: Floats) -> Reasons:
        """The same, and how certain they are."""
        parts, errors = self._parts(matrix)
        lowest = np.argsort(parts[:, self._given].round(DECIMALS), axis=1, kind="stable")[:, :REASONS]
        order = self._given[lowest]
        rows = np.arange(len(matrix))[:, None]
        values = matrix[rows, order]
        kinds = np.where(np.isnan(values), _MISSING, np.where(values < self.baseline[order], _LOW, _HIGH))
        kinds[parts[rows, order] >= -(10**-DECIMALS)] = _NONE
        codes = np.full((len(matrix), REASONS), "", dtype=object)
        codes[:, : order.shape[1]] = self._codes[order, kinds]
        columns = np.full(codes.shape, -1)
        columns[:, : order.shape[1]] = np.where(kinds == _NONE, -1, order)
        largest = None if errors is None else float(errors[rows, order].max(initial=0.0))
        return Reasons(codes.tolist(), largest, parts, columns)


def explainer(
    files: Mapping[str, bytes],
    score: Score,
    columns: Sequence[Column],
    features: Sequence[str],
    baseline: Mapping[str, float],
) -> Explainer:
    """For the files of a version, of whose `columns` the model was trained on `features`.

    A version without a file for explanations is explained by `score` alone: exactly if it has few columns.
    """
    typical = np.array([baseline[column.name] for column in columns], dtype=np.float64)
    return Explainer(_parts(files, score, columns, features, typical), columns, typical)


def _parts(
    files: Mapping[str, bytes], score: Score, columns: Sequence[Column], features: Sequence[str], typical: Floats
) -> Callable[[Floats], Parts]:
    if leaves.FILE in files:
        return _exact(Leaves.decode(files[leaves.FILE]).against(typical))
    if linear.FILE in files:
        return _exact(Additive.decode(files[linear.FILE]).against(typical))
    positions = _by_name(columns, [index for index, column in enumerate(columns) if column.name in features])
    if len(positions) > MOST_FEATURES:
        return sampled(score, positions, typical)
    return _exact(coalitions(score, positions, typical))


def _exact(parts: Callable[[Floats], Floats]) -> Callable[[Floats], Parts]:
    return lambda matrix: Parts(parts(matrix))


def _by_name(columns: Sequence[Column], positions: Sequence[int]) -> list[int]:
    return sorted(positions, key=lambda position: columns[position].name)


def _codes(column: Column) -> list[str]:
    """The reason for a value that is low, high or missing, if it is one."""
    return [column.reason("low").code, column.reason("high").code, column.reason("missing").code, ""]
