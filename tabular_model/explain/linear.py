"""Additive models: the log-odds are a sum of one function for each column, whose parts are exact in closed form.

For such a model every Shapley value against a baseline is f(x) - f(baseline) of its column alone.
"""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FILE = "explain_additive.npz"

Floats = NDArray[np.float64]


class Linear(NamedTuple):
    """A number's function: `weight` times the value, or times `fill` where it is missing."""

    column: int
    weight: float
    fill: float


class Levels(NamedTuple):
    """A category's function: a value for each level, and one more at the end for missing."""

    column: int
    values: tuple[float, ...]


class Additive:
    """The sum of the functions over the columns of a matrix; columns without one add nothing."""

    def __init__(self, parts: Mapping[str, NDArray[np.float64]]) -> None:
        self._parts = parts
        self._width = int(parts["width"])
        self._columns = parts["columns"].astype(np.intp)
        self._weights, self._fills = parts["weights"], parts["fills"]
        self._categories = parts["categories"].astype(np.intp)
        self._starts, self._sizes = parts["starts"].astype(np.intp), parts["sizes"].astype(np.intp)
        self._table = parts["table"]

    @classmethod
    def of(cls, parts: Sequence[Linear | Levels], width: int) -> "Additive":
        """From the functions of some of the `width` columns."""
        linear = [part for part in parts if isinstance(part, Linear)]
        levels = [part for part in parts if isinstance(part, Levels)]
        sizes = np.array([len(part.values) for part in levels], dtype=np.float64)
        return cls(
            {
                "width": np.float64(width),  # type: ignore[dict-item]
                "columns": np.array([part.column for part in linear], dtype=np.float64),
                "weights": np.array([part.weight for part in linear], dtype=np.float64),
                "fills": np.array([part.fill for part in linear], dtype=np.float64),
                "categories": np.array([part.column for part in levels], dtype=np.float64),
                "starts": np.cumsum(sizes) - sizes,
                "sizes": sizes,
                "table": np.array([value for part in levels for value in part.values], dtype=np.float64),
            }
        )

    def encode(self) -> bytes:
        """numpy's own format, without pickles."""
        file = BytesIO()
        np.savez_compressed(file, **self._parts)  # type: ignore[arg-type]
        return file.getvalue()

    @classmethod
    def decode(cls, content: bytes) -> "Additive":
        """From the bytes of `encode`."""
        with np.load(BytesIO(content), allow_pickle=False) as parts:
            return cls(dict(parts))

    def against(self, baseline: Floats) -> Callable[[Floats], Floats]:
        """The function that gives, for rows [n, columns], the parts of their log-odds against `baseline` [columns]."""
        typical = self.terms(baseline[None])
        return lambda matrix: self.terms(matrix) - typical

    def terms(self, matrix: Floats) -> Floats:
        """Each column's function of its value, float64 [n, columns] for float64 [n, columns]."""
        found = np.zeros((len(matrix), self._width))
        values = matrix[:, self._columns]
        found[:, self._columns] = self._weights * np.where(np.isnan(values), self._fills, values)
        codes = matrix[:, self._categories]
        places = np.where(np.isnan(codes), self._sizes - 1, codes).astype(np.intp)
        found[:, self._categories] = self._table[self._starts + places]
        return found
