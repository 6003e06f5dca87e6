"""The compiled model: ONNX in, probability of approval out."""

from typing import cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from loan_model.errors import IntegrityError

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

onnxruntime.set_default_logger_severity(3)


class Scorer:
    """Runs `model.onnx`: input `X`, float64 [n, columns] with NaN for missing; output `probability`, float64 [n]."""

    def __init__(self, model: bytes, where: str, threads: int = 1) -> None:
        """IntegrityError when `model` is not a model of that signature; `where` is for the message."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            raise IntegrityError(f"{where} cannot be loaded as an ONNX model: {error}.") from error
        names = [item.name for item in (*self._session.get_inputs(), *self._session.get_outputs())]
        if names != ["X", "probability"]:
            raise IntegrityError(f"{where} has the tensors {names}; a loan model has X and probability.")

    def probabilities(self, matrix: Matrix) -> Vector:
        return cast(Vector, self._session.run(["probability"], {"X": matrix})[0])
