"""The levels of a category as words, from their codes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabular_model.schema import Column


def words(column: Column, codes: NDArray[np.float64], missing: str | None) -> NDArray[Any]:
    """The word of each code [n]; `missing` in the place of NaN."""
    levels = np.array([*column.levels, missing], dtype=object)
    found: NDArray[Any] = levels[np.where(np.isnan(codes), len(column.levels), codes).astype(np.intp)]
    return found
