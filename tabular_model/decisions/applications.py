"""From a recorded application back to the matrix that was scored."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tabular_model.manifest import Manifest
from tabular_model.schema import Column


def matrix_of(manifest: Manifest, applications: Sequence[pa.StructArray]) -> NDArray[np.float64]:
    """Float64 [n, columns] as it was scored, from structs [n] that hold the columns between them; NaN for the others.

    The version's own order of columns and levels holds.
    """
    matrix = np.full((len(applications[0]), len(manifest.schema)), np.nan)
    for index, column in enumerate(manifest.schema):
        for each in applications:
            place = each.type.get_field_index(column.name)
            if place >= 0:
                matrix[:, index] = _numbers(column, each.flatten()[place])
    return matrix


def _numbers(column: Column, values: pa.Array) -> NDArray[np.float64]:
    if column.type == "category":
        codes = {level: float(code) for code, level in enumerate(column.levels)}
        return np.array([np.nan if each is None else codes[each] for each in values.to_pylist()], np.float64)
    numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(numbers, np.float64)
