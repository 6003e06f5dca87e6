"""The ONNX graph around a model: `X`, float64 [n, columns] with NaN for missing, to `probability`, float64 [n].

Graphs are written by hand: skl2onnx compiles boosting to TreeEnsembleClassifier, whose scores are float32 only, and
onnxruntime refuses the graph that skl2onnx writes for float64 input.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

OPSETS = {"": 21, "ai.onnx.ml": 5}
IR_VERSION = 10

Constants = dict[str, NDArray[Any]]


def log_odds_graph(nodes: list[NodeProto], constants: Constants, columns: int) -> bytes:
    """The model whose `nodes` make `log_odds` [n, 1] of `X`."""
    logistic = [
        helper.make_node("Sigmoid", ["log_odds"], ["column"]),
        helper.make_node("Reshape", ["column", "flat"], ["probability"]),
    ]
    return serialized([*nodes, *logistic], constants | {"flat": np.array([-1], dtype=np.int64)}, columns)


def serialized(
    nodes: Sequence[NodeProto],
    constants: Constants,
    columns: int,
    initializers: Iterable[TensorProto] = (),
    opsets: Mapping[str, int] = OPSETS,
) -> bytes:
    """The model whose `nodes` make `probability` [n] of `X`, with `initializers` beside its own constants."""
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, ["n", columns])],
        [helper.make_tensor_value_info("probability", TensorProto.DOUBLE, ["n"])],
        [*(onnx.numpy_helper.from_array(value, name) for name, value in constants.items()), *initializers],
    )
    imports = [helper.make_opsetid(*each) for each in opsets.items()]
    model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, producer_name="tabular-model")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
