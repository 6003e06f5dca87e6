"""The ONNX graph around a model: `X`, float64 [n, columns] with NaN for missing, to `probability`, float64 [n].

Graphs are written by hand: skl2onnx compiles boosting to TreeEnsembleClassifier, whose scores are float32 only, and
onnxruntime refuses the graph that skl2onnx writes for float64 input.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

OPSETS = (helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 5))
IR_VERSION = 10

Constants = dict[str, NDArray[Any]]


def log_odds_graph(nodes: list[NodeProto], constants: Constants, columns: int) -> bytes:
    """The model whose `nodes` make `log_odds` [n, 1] of `X`."""
    logistic = [
        helper.make_node("Sigmoid", ["log_odds"], ["column"]),
        helper.make_node("Reshape", ["column", "flat"], ["probability"]),
    ]
    constants = constants | {"flat": np.array([-1], dtype=np.int64)}
    graph = helper.make_graph(
        [*nodes, *logistic],
        "model",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, ["n", columns])],
        [helper.make_tensor_value_info("probability", TensorProto.DOUBLE, ["n"])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=OPSETS, ir_version=IR_VERSION, producer_name="tabular-model")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
