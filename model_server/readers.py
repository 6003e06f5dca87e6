"""How the values of one column come out of a tensor: numbers as they are, a level as its code."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_server.errors import InvalidInput
from model_server.tensors import NUMERIC, Tensor
from tabular_model.schema import Column

UNKNOWN = -1.0  # in the matrix, a level that is not among the column's
FLAGS = dict.fromkeys((*NUMERIC, "BOOL"))  # datatypes of a column that is either so or not
TEXTUAL = dict.fromkeys(("BYTES", *NUMERIC))  # of a category, whose levels may be whole numbers

Values = Sequence[Any] | NDArray[Any]


class Vocabulary:
    """The levels of a category, and the code that stands for each in the matrix."""

    def __init__(self, column: Column) -> None:
        self._column = column
        self._of: dict[Any, float] = {level: float(code) for code, level in enumerate(column.levels)}
        self._of |= {None: np.nan, "": np.nan}

    def codes(self, values: Values) -> list[float]:
        """A code for each value, NaN for missing; `UNKNOWN`, or InvalidInput, for what is no level."""
        try:
            return [self._of[value] for value in values]
        except KeyError:
            return [self._code(row, value) for row, value in enumerate(values)]

    def _code(self, row: int, value: Any) -> float:
        if not isinstance(value, str):
            missing = value is None or value != value  # noqa: PLR0124 - NaN
            value = None if missing else f"{value:g}" if abs(value) < 1e6 else str(int(value))
        code = self._of.get(value)
        if code is not None:
            return code
        if self._column.unknown == "missing":
            return UNKNOWN
        raise InvalidInput(
            f"Input '{self._column.name}', row {row}: {value!r} is not a level of this column; "
            f"expected {self._column.expected()}."
        )


def reader(column: Column, words: bool) -> Callable[[Tensor, int], Values]:
    """What gives a column's values, of as many rows, as numpy takes them; `words` says that text may have come."""
    datatypes = FLAGS if column.flag else NUMERIC
    if column.type == "category":
        return _category_reader(Vocabulary(column))
    if not words:
        return lambda tensor, rows: elements(tensor, rows, datatypes)
    # numpy would read a text of digits, and a truth, as a number.
    known = {int, float, type(None)} | ({bool} if column.flag else set())

    def read(tensor: Tensor, rows: int) -> Values:
        values: Values = tensor.values
        if not _is_flat(values, rows) or tensor.datatype not in datatypes:
            values = elements(tensor, rows, datatypes)
        if type(values) is list and not known.issuperset(map(type, values)):
            strange = next(value for value in values if type(value) not in known)
            raise InvalidInput(f"Input '{tensor.name}' contains {strange!r}; expected numbers.")
        return values

    return read


def _is_flat(values: Values, rows: int) -> bool:
    """Whether these are as many values as rows, as nearly always; anything else is looked at more closely."""
    return type(values) is list and len(values) == rows and type(values[0]) is not list


def _category_reader(vocabulary: Vocabulary) -> Callable[[Tensor, int], Values]:
    def read(tensor: Tensor, rows: int) -> Values:
        values: Values = tensor.values
        if not _is_flat(values, rows) or tensor.datatype != "BYTES":
            values = elements(tensor, rows, TEXTUAL)
        return vocabulary.codes(values)

    return read


def elements(tensor: Tensor, size: int, datatypes: Collection[str]) -> Values:
    """The values, flat, once they are of one of the datatypes and as many as the shape says."""
    if tensor.datatype not in datatypes:
        raise InvalidInput(
            f"Input '{tensor.name}' has datatype {tensor.datatype}; expected one of {', '.join(datatypes)}."
        )
    values: Values = tensor.values
    if len(values) == size and type(values[0]) is not list:
        return values
    if len(values) and isinstance(values[0], list):
        values = _flat(tensor)
    if len(values) != size:
        raise InvalidInput(
            f"Input '{tensor.name}' has shape {list(tensor.shape)}, that is {size} values, "
            f"but its data has {len(values)}."
        )
    return values


def _flat(tensor: Tensor) -> list[Any]:
    shape = tensor.shape
    width = shape[1] if len(shape) == 2 else 0
    if any(not isinstance(row, list) or len(row) != width for row in tensor.values):
        raise InvalidInput(
            f"Input '{tensor.name}' has shape {list(shape)}, but its data has rows of unequal or other length."
        )
    return [value for row in tensor.values for value in row]
