"""From tensors to one matrix, checked against the schema of the version that will score it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loan_model.schema import Column
from loan_model.scorer import Matrix
from model_server.errors import InvalidInput
from model_server.tensors import NUMERIC, Tensor


class Findings(NamedTuple):
    """What was odd but accepted, counted by column in the schema's order."""

    missing: NDArray[np.int64]
    out_of_range: NDArray[np.int64]


class Signature:
    """The V2 inputs of one version: a tensor per column, or one of shape [n, columns]."""

    def __init__(self, columns: tuple[Column, ...], max_rows: int, refuse_out_of_range: bool) -> None:
        self.columns = columns
        self._max_rows = max_rows
        self._refuse = refuse_out_of_range
        self._index = {column.name: index for index, column in enumerate(columns)}
        self._minimum = np.array([column.minimum for column in columns], dtype=np.float64)
        self._maximum = np.array([column.maximum for column in columns], dtype=np.float64)
        self._required = np.array([not column.nullable for column in columns])
        self._whole = [index for index, column in enumerate(columns) if column.dtype == "integer"]

    def matrix(self, tensors: list[Tensor]) -> Matrix:
        """Float64 [n, columns], NaN for missing; InvalidInput names the tensor, what came and what was expected."""
        if len(tensors) == 1 and tensors[0].name not in self._index:
            return self._from_one(tensors[0])
        ordered: list[Tensor | None] = [None] * len(self.columns)
        for tensor in tensors:
            index = self._index.get(tensor.name)
            if index is None:
                raise InvalidInput(f"Unknown input '{tensor.name}': the inputs are {self._names()}.")
            if ordered[index] is not None:
                raise InvalidInput(f"Input '{tensor.name}' came twice; send it once.")
            ordered[index] = tensor
        return self._from_columns(ordered)

    def check(self, matrix: Matrix) -> Findings | None:
        """None when every value is present and in range; else what was missing or out of range.

        InvalidInput for a value that is infinite, missing where it may not be, not whole where it must be, or,
        if the server is so configured, out of range.
        """
        inside = (matrix >= self._minimum) & (matrix <= self._maximum)
        integers = matrix[:, self._whole]
        fractional = integers != np.rint(integers)
        if inside.all() and not fractional.any():
            return None
        missing = np.isnan(matrix)
        self._refuse_where(np.isinf(matrix), matrix, "infinite; send a number, or null for a missing value")
        self._refuse_where(missing & self._required, matrix, "missing; this column must have a value")
        fractions = np.zeros_like(missing)
        fractions[:, self._whole] = fractional & ~missing[:, self._whole]
        self._refuse_where(fractions, matrix, "not a whole number")
        outside = ~inside & ~missing
        if self._refuse:
            self._refuse_where(outside, matrix, "out of range")
        return Findings(missing.sum(axis=0), outside.sum(axis=0))

    def _from_one(self, tensor: Tensor) -> Matrix:
        width = len(self.columns)
        shape = list(tensor.shape)
        if len(shape) != 2 or shape[1] != width:
            raise InvalidInput(
                f"Input '{tensor.name}' has shape {shape}; send one tensor of shape [n, {width}], "
                f"or one tensor for each of {self._names()}."
            )
        self._check_rows(tensor.name, shape[0])
        return _array(tensor, shape).reshape(shape)

    def _from_columns(self, ordered: list[Tensor | None]) -> Matrix:
        present = [tensor for tensor in ordered if tensor is not None]
        if len(present) < len(ordered):
            absent = [c.name for c, t in zip(self.columns, ordered, strict=True) if t is None]
            raise InvalidInput(f"Missing input {_quoted(absent)}; send null for a value that is not known.")
        rows = _rows(present[0])
        self._check_rows(present[0].name, rows)
        matrix = np.empty((rows, len(present)), dtype=np.float64)
        for index, tensor in enumerate(present):
            if _rows(tensor) != rows:
                raise InvalidInput(
                    f"Input '{tensor.name}' has {_rows(tensor)} rows but '{present[0].name}' has {rows}; "
                    f"all inputs must have the same number."
                )
            matrix[:, index] = _array(tensor, list(tensor.shape))
        return matrix

    def _check_rows(self, name: str, rows: int) -> None:
        if rows < 1:
            raise InvalidInput(f"Input '{name}' has no rows; send at least one.")
        if rows > self._max_rows:
            raise InvalidInput(
                f"Input '{name}' has {rows} rows; this server takes at most {self._max_rows} in one request."
            )

    def _refuse_where(self, bad: NDArray[np.bool_], matrix: Matrix, why: str) -> None:
        if bad.any():
            row, index = (int(position[0]) for position in np.nonzero(bad))
            column = self.columns[index]
            raise InvalidInput(
                f"Input '{column.name}', row {row}: {matrix[row, index]:g} is {why} "
                f"({column.dtype}, {column.minimum:g} to {column.maximum:g} {column.unit})."
            )

    def _names(self) -> str:
        return _quoted([column.name for column in self.columns])


def _rows(tensor: Tensor) -> int:
    shape = list(tensor.shape)
    if len(shape) == 1 or (len(shape) == 2 and shape[1] == 1):
        return shape[0]
    raise InvalidInput(f"Input '{tensor.name}' has shape {shape}; expected [n] or [n, 1].")


def _array(tensor: Tensor, shape: list[int]) -> Matrix:
    """The elements as a flat float64 array of exactly as many as the shape says."""
    if tensor.datatype not in NUMERIC:
        raise InvalidInput(
            f"Input '{tensor.name}' has datatype {tensor.datatype}; expected one of {', '.join(NUMERIC)}."
        )
    size = shape[0] * (shape[1] if len(shape) == 2 else 1)
    try:
        array = np.asarray(tensor.values, dtype=np.float64)
    except (ValueError, TypeError):
        raise InvalidInput(f"Input '{tensor.name}' has rows of unequal length; expected shape {shape}.") from None
    if array.size != size or (array.ndim > 1 and list(array.shape) != shape):
        raise InvalidInput(
            f"Input '{tensor.name}' has shape {shape}, that is {size} values, but data of {_counted(array)}."
        )
    flat = array.reshape(-1)
    if tensor.datatype[0] != "F" and not isinstance(tensor.values, np.ndarray):
        fractional = flat != np.rint(flat)
        if fractional.any() and not np.isnan(flat[fractional]).all():
            value = flat[fractional & ~np.isnan(flat)][0]
            raise InvalidInput(f"Input '{tensor.name}' has datatype {tensor.datatype} but holds {value:g}.")
    return flat


def _counted(array: Matrix) -> str:
    return f"{array.size} values" if array.ndim == 1 else f"shape {list(array.shape)}"


def _quoted(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
