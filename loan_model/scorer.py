"""The compiled model: a matrix in, probability of approval out."""

from collections.abc import Mapping
from typing import cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from loan_model.errors import IntegrityError
from loan_model.tables import Tables

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

onnxruntime.set_default_logger_severity(3)


ONNX, TABLES = "model.onnx", "tables.npz"
# From about 50 rows on, tables are faster than onnxruntime's trees; benchmarks/results.md has the figures.
FEW_ROWS = 48


class Scorer:
    """Runs a compiled model: input float64 [n, columns] with NaN for missing, output float64 [n].

    `model.onnx` scores few rows. Where there is `tables.npz`, which has the same trees, it scores many.
    """

    def __init__(self, files: Mapping[str, bytes], where: str, threads: int = 1) -> None:
        """IntegrityError when a file of `files` is not what its name says; `where` is for the message."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(files[ONNX], options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            raise IntegrityError(f"{where}/{ONNX} cannot be loaded as an ONNX model: {error}.") from error
        names = [item.name for item in (*self._session.get_inputs(), *self._session.get_outputs())]
        if names != ["X", "probability"]:
            raise IntegrityError(f"{where}/{ONNX} has the tensors {names}; a loan model has X and probability.")
        try:
            self._tables = Tables.decode(files[TABLES]) if TABLES in files else None
        except Exception as error:  # numpy raises several
            raise IntegrityError(f"{where}/{TABLES} cannot be read: {error}.") from error

    def probabilities(self, matrix: Matrix) -> Vector:
        if self._tables is None or len(matrix) <= FEW_ROWS:
            return cast(Vector, self._session.run(["probability"], {"X": matrix})[0])
        return self._tables.probabilities(matrix)
