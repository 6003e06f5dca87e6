"""The model as a peer may have it: scikit-learn's pipeline, or the same as ONNX, which scores a row sooner."""

from collections.abc import Callable

import numpy as np


def scorer(path: str) -> Callable[[np.ndarray], np.ndarray]:
    """Probabilities [n] of a matrix [n, columns]."""
    if path.endswith(".onnx"):
        import onnxruntime  # noqa: PLC0415 - as a peer imports one of the two

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return lambda matrix: session.run(["probability"], {"X": matrix})[0]
    import joblib  # noqa: PLC0415

    pipeline = joblib.load(path)
    return lambda matrix: pipeline.predict_proba(matrix)[:, 1]
