"""The model as a peer may have it: scikit-learn's pipeline, or the same as ONNX, which scores a row sooner."""

import numpy as np


class Pipeline:
    """Goes to worker processes as a pickle, as KServe hands a model on."""

    def __init__(self, path: str) -> None:
        import joblib  # noqa: PLC0415 - as a peer imports one of the two

        self._pipeline = joblib.load(path)

    def __call__(self, matrix: np.ndarray) -> np.ndarray:
        return self._pipeline.predict_proba(matrix)[:, 1]


class Onnx:
    def __init__(self, path: str) -> None:
        import onnxruntime  # noqa: PLC0415

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def __call__(self, matrix: np.ndarray) -> np.ndarray:
        return self._session.run(["probability"], {"X": matrix})[0]


def scorer(path: str) -> Pipeline | Onnx:
    """Gives probabilities [n] of a matrix [n, columns]."""
    return Onnx(path) if path.endswith(".onnx") else Pipeline(path)
