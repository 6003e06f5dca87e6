"""From tensors to one matrix, checked against the schema of the version that will score it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from model_server import ids
from model_server.errors import InvalidInput, InvalidRows
from model_server.readers import UNKNOWN, elements, reader
from model_server.tensors import EXACT, LIMITS, NUMERIC, Tensor
from tabular_model.schema import Column
from tabular_model.scoring.scorer import Matrix

FEW_ROWS = 8  # up to which it is faster to look at each value by itself than all at once with numpy


class Findings(NamedTuple):
    """What was odd but accepted: values by the name of their column, without columns that have none.

    A missing value is not odd in a column that a request may leave out.
    """

    missing: Mapping[str, int]
    out_of_range: Mapping[str, int]
    unknown: Mapping[str, int]


class Signature:
    """The V2 inputs of one version: a tensor per column, or one of shape [n, columns] where all are numbers.

    `ignores_extra` passes over tensors of other names, which are refused otherwise. `id` is the tensor by which a
    caller may name the rows; it is no input.
    """

    def __init__(
        self,
        columns: tuple[Column, ...],
        max_rows: int,
        refuse_out_of_range: bool,
        ignores_extra: bool = False,
        id: str = "",
    ) -> None:
        self.columns = columns
        self.ignores_extra = ignores_extra
        self.id = id
        # What is ignored may be text too, and so may an id.
        self.words = ignores_extra or bool(id) or any(column.type in ("category", "boolean") for column in columns)
        self._max_rows = max_rows
        self._refuse = refuse_out_of_range
        self._readers = [reader(column, self.words) for column in columns]
        self._fractional = [index for index, column in enumerate(columns) if not column.whole]
        self._index = {column.name: index for index, column in enumerate(columns)}
        self._minimum = np.array([column.minimum for column in columns], dtype=np.float64)
        self._maximum = np.array([column.maximum for column in columns], dtype=np.float64)
        self._required = np.array([not column.nullable for column in columns])
        self._optional = np.array([column.optional for column in columns])
        self._category = np.array([column.type == "category" for column in columns])
        self._all_numbers = not self._category.any()
        self._whole = np.array([column.whole for column in columns])
        self._plain = [(c.name, c.minimum, c.maximum, c.whole, not c.missing, c.optional) for c in columns]
        self._whole_indices = np.flatnonzero(self._whole).tolist()

    def take_ids(self, tensors: list[Tensor]) -> Tensor | None:
        """Removes the tensor of ids from the others; None if none was sent."""
        return ids.take(tensors, self.id)

    def matrix(self, tensors: list[Tensor]) -> Matrix:
        """Float64 [n, columns], NaN for missing; InvalidInput names the tensor, what came and what was expected."""
        if len(tensors) == 1 and tensors[0].name not in self._index:
            return self._from_one(tensors[0])
        ordered: list[Tensor | None] = [None] * len(self.columns)
        for tensor in tensors:
            index = self._index.get(tensor.name)
            if index is None:
                if self.ignores_extra:
                    continue
                raise InvalidInput(f"Unknown input '{tensor.name}': the inputs are {self._names()}.")
            if ordered[index] is not None:
                raise InvalidInput(f"Input '{tensor.name}' was sent twice; send it once.")
            ordered[index] = tensor
        return self._from_columns(ordered)

    def check(self, matrix: Matrix) -> Findings | None:
        """None when every value is present and in range; else what was missing, out of range or an unknown level.

        Unknown levels, `UNKNOWN` in `matrix`, become missing values there. InvalidInput for a value that is infinite,
        missing where it may not be, not whole where it must be, or, if the server is so configured, out of range.
        """
        if len(matrix) <= FEW_ROWS:
            absent = self._only_missing(matrix.tolist())
            if absent is not None:
                return Findings(Counter(absent), {}, {}) if absent else None
        # A value is as it should be when it is equal to the nearest one that is. Only the odd ones are looked at.
        nearest = np.minimum(np.maximum(matrix, self._minimum), self._maximum)
        for index in self._whole_indices:
            np.rint(nearest[:, index], out=nearest[:, index])
        odd = nearest != matrix
        if not odd.any():
            return None
        places = np.nonzero(odd)
        columns, values = places[1], matrix[places]
        unknown = self._category[columns] & (values == UNKNOWN)
        matrix[places[0][unknown], columns[unknown]] = np.nan
        missing = np.isnan(values)
        outside = ((values < self._minimum[columns]) | (values > self._maximum[columns])) & ~unknown
        self._refuse_where(np.isinf(values), places, matrix, "infinite; send a number, or null for a missing value")
        self._refuse_where(missing & self._required[columns], places, matrix, "missing; this column must have a value")
        with np.errstate(invalid="ignore"):  # of NaNs there are some that numpy warns of
            fractional = self._whole[columns] & ~missing & (values != np.rint(values))
        self._refuse_where(fractional, places, matrix, "not a whole number")
        if self._refuse:
            self._refuse_where(outside, places, matrix, "out of range")
        counted = missing & ~self._optional[columns]
        return Findings(*(self._counted(columns[odd]) for odd in (counted, outside, unknown)))

    def _only_missing(self, rows: list[list[float]]) -> list[str] | None:
        """The names of the columns of values that may be missing and are; None where anything else is odd.

        Without numpy, whose calls take 9 us between two requests, where this takes 1.
        """
        absent = []
        for row in rows:
            for value, (name, minimum, maximum, whole, required, optional) in zip(row, self._plain, strict=True):
                if not minimum <= value <= maximum or (whole and value != int(value)):
                    if required or value == value:  # noqa: PLR0124 - not NaN
                        return None
                    if not optional:
                        absent.append(name)
        return absent

    def _counted(self, columns: NDArray[np.intp]) -> dict[str, int]:
        return {self.columns[index].name: count for index, count in Counter(columns.tolist()).items()}

    def _from_one(self, tensor: Tensor) -> Matrix:
        width = len(self.columns)
        shape = tensor.shape
        if not self._all_numbers:
            raise InvalidInput(
                f"Input '{tensor.name}' is not a column, and not all columns are numbers; send one tensor for each of "
                f"{self._names()}."
            )
        if len(shape) != 2 or shape[1] != width:
            raise InvalidInput(
                f"Input '{tensor.name}' has shape {list(shape)}; send one tensor of shape [n, {width}], "
                f"or one tensor for each of {self._names()}."
            )
        self._check_rows(tensor.name, shape[0])
        numbers = _float64([elements(tensor, shape[0] * width, NUMERIC)], [tensor])
        if tensor.datatype in LIMITS:
            _check_limits(tensor, numbers)
        _check_whole(tensor, numbers)
        return numbers.reshape(shape[0], width)

    def _from_columns(self, ordered: list[Tensor | None]) -> Matrix:
        tensors = self._completed(ordered) if None in ordered else cast(list[Tensor], ordered)
        rows = _rows(tensors[0])
        self._check_rows(tensors[0].name, rows)
        values = []
        shape = tensors[0].shape
        for read, tensor in zip(self._readers, tensors, strict=True):
            if tensor.shape != shape and _rows(tensor) != rows:
                raise InvalidInput(
                    f"Input '{tensor.name}' has {_rows(tensor)} rows but '{tensors[0].name}' has {rows}; "
                    f"all inputs must have the same number."
                )
            values.append(read(tensor, rows))
        # One numpy call for all columns: for a single row, a call for each would cost more than the trees.
        by_column = _float64(values, tensors)
        for index, tensor in enumerate(tensors):
            if tensor.datatype in LIMITS:
                _check_limits(tensor, by_column[index])
        for index in self._fractional:  # of the others `check` sees whether they are whole
            if tensors[index].datatype[0] != "F":
                _check_whole(tensors[index], by_column[index])
        return np.ascontiguousarray(by_column.T)

    def _completed(self, ordered: list[Tensor | None]) -> list[Tensor]:
        """With missing values for the columns that a request may leave out."""
        came = next((tensor for tensor in ordered if tensor is not None), None)
        absent = [c.name for c, t in zip(self.columns, ordered, strict=True) if t is None and not c.optional]
        if absent or came is None:
            raise InvalidInput(f"Missing input {_quoted(absent)}; send null for a value that is not known.")
        rows = _rows(came)
        return [
            tensor or Tensor(column.name, "FP64", [rows], [None] * rows)
            for column, tensor in zip(self.columns, ordered, strict=True)
        ]

    def _check_rows(self, name: str, rows: int) -> None:
        if rows < 0:
            raise InvalidInput(f"Input '{name}' has no rows: its shape begins with {rows}; give the number of rows.")
        if rows < 1:
            raise InvalidInput(f"Input '{name}' has no rows; send at least one.")
        if rows > self._max_rows:
            raise InvalidInput(
                f"Input '{name}' has {rows} rows; this server accepts at most {self._max_rows} in one request."
            )

    def _refuse_where(
        self, bad: NDArray[np.bool_], places: tuple[NDArray[np.intp], ...], matrix: Matrix, why: str
    ) -> None:
        """Names the first of `places` that is `bad`."""
        if bad.any():
            row, index = (int(position[bad][0]) for position in places)
            column = self.columns[index]
            raise InvalidRows(
                f"Input '{column.name}', row {row}: {matrix[row, index]:g} is {why} "
                f"({column.type}, {column.expected()}).",
                np.unique(places[0][bad]).tolist(),
            )

    def _names(self) -> str:
        return _quoted([column.name for column in self.columns])


def _rows(tensor: Tensor) -> int:
    shape = tensor.shape
    if len(shape) == 1 or (len(shape) == 2 and shape[1] == 1):
        return shape[0]
    raise InvalidInput(f"Input '{tensor.name}' has shape {list(shape)}; expected [n] or [n, 1].")


def _float64(rows: list[Any], tensors: list[Tensor]) -> Matrix:
    """One row of the result for each tensor, None as NaN."""
    try:
        if len(rows) == 1 and isinstance(rows[0], list):  # as of one tensor of many rows, for which this is faster
            return np.fromiter(rows[0], np.float64, len(rows[0]))[np.newaxis]
        return np.array(rows, dtype=np.float64)
    except (ValueError, TypeError):
        name = next(t.name for t, row in zip(tensors, rows, strict=True) if any(isinstance(v, list) for v in row))
        raise InvalidInput(f"Input '{name}' has rows of unequal length: numbers and lists among its data.") from None


def _check_limits(tensor: Tensor, numbers: Matrix) -> None:
    """Refuses a value that the tensor's datatype cannot hold, or that float64 does not hold exactly."""
    low, high = LIMITS[tensor.datatype]
    if numbers.size == 1 and low <= numbers.item() <= high:
        return  # as of one row in a tensor for each column, without numpy's calls for many
    outside = (numbers < low) | (numbers > high)
    if outside.any():
        value = float(numbers[outside][0])
        why = f"which {tensor.datatype} cannot represent; its values are {low:g} to {high:g}"
        if high == EXACT:
            why = f"but it is converted to float64, which represents integers exactly only from {low:.0f} to {high:.0f}"
        shown = f"{value:.0f}" if abs(value) < 2 * EXACT else f"{value:g}"
        raise InvalidInput(f"Input '{tensor.name}' of datatype {tensor.datatype} contains {shown}, {why}.")


def _check_whole(tensor: Tensor, numbers: Matrix) -> None:
    """Refuses a fraction in a tensor of integers; those that came as integers need no look."""
    if tensor.datatype[0] == "F" or isinstance(tensor.values, np.ndarray):
        return
    fractional = (numbers != np.rint(numbers)) & ~np.isnan(numbers)
    if fractional.any():
        raise InvalidInput(
            f"Input '{tensor.name}' has datatype {tensor.datatype} but contains {numbers[fractional][0]:g}."
        )


def _quoted(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
