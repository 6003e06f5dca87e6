"""The compiled model: a matrix in, probability of approval out."""

from collections.abc import Callable, Mapping
from typing import cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tabular_model.errors import IntegrityError
from tabular_model.scoring.tables import Tables

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

onnxruntime.set_default_logger_severity(3)


ONNX, TABLES = "model.onnx", "tables.npz"


class Scorer:
    """Runs a compiled model: input float64 [n, columns] with NaN for missing, output float64 [n].

    `tables.npz` scores where it is there, `model.onnx` elsewhere.
    """

    def __init__(self, files: Mapping[str, bytes], where: str, threads: int = 1) -> None:
        """IntegrityError when a file of `files` is not what its name says; `where` is for the message."""
        self.probabilities: Callable[[Matrix], Vector]
        if TABLES in files:
            self.probabilities = _tables(files[TABLES], where).probabilities
        else:
            self.probabilities = _Session(files[ONNX], where, threads).probabilities


def _tables(content: bytes, where: str) -> Tables:
    try:
        return Tables.decode(content)
    except Exception as error:  # numpy raises several
        raise IntegrityError(f"{where}/{TABLES} cannot be read: {error}.") from error


class _Session:
    """onnxruntime with a loan model in it."""

    def __init__(self, content: bytes, where: str, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            raise IntegrityError(f"{where}/{ONNX} cannot be loaded as an ONNX model: {error}.") from error
        names = [item.name for item in (*self._session.get_inputs(), *self._session.get_outputs())]
        if names != ["X", "probability"]:
            raise IntegrityError(f"{where}/{ONNX} has the tensors {names}; a loan model has X and probability.")

    def probabilities(self, matrix: Matrix) -> Vector:
        rows = len(matrix)
        if rows % 2:  # by twos, as its vectors are; the last bit of a row without its other may be another one
            matrix = np.concatenate([matrix, matrix[-1:]])
        return cast(Vector, self._session.run(["probability"], {"X": matrix})[0])[:rows]
