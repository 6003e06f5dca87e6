"""From a recorded application back to the matrix that was scored."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tabular_model.errors import RecordError
from tabular_model.manifest import Manifest
from tabular_model.schema import Column


def matrix_of(manifest: Manifest, applications: Sequence[pa.StructArray]) -> NDArray[np.float64]:
    """Float64 [n, columns] as it was scored, from structs [n] that hold the columns between them; NaN for the others.

    The version's own order of columns and levels holds; RecordError for a level or a value that it does not have.
    """
    matrix = np.full((len(applications[0]), len(manifest.schema)), np.nan)
    for index, column in enumerate(manifest.schema):
        for each in applications:
            place = each.type.get_field_index(column.name)
            if place >= 0:
                try:
                    matrix[:, index] = _numbers(column, each.flatten()[place])
                except (KeyError, pa.ArrowException):
                    raise RecordError(
                        f"The record's application does not fit the columns of {manifest.version}."
                    ) from None
    return matrix


def _numbers(column: Column, values: pa.Array) -> NDArray[np.float64]:
    if column.type == "category":
        codes = pc.index_in(values, pa.array(column.levels, values.type))
        if codes.null_count > values.null_count:
            raise KeyError(column.name)
        values = codes
    numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(numbers, np.float64)
