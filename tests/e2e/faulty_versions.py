"""Run in a pod with the registry: publishes versions that pass every check at rest and are bad in traffic.

    python faulty_versions.py REGISTRY KIND...

Each is v1 with one thing changed; prints KIND and the version as JSON.
"""

import json
import sys
import uuid

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from loan_model.synthetic import LOAN, generate
from tabular_model.model import TabularModel
from tabular_model.registry import Artifact, Registry

CREDIT_SCORE = LOAN.schema.names.index("Credit_Score")
OF_TWENTY = 20.0  # a credit score divisible by it comes once in twenty
SLOWNESS = 256  # size of the matrices multiplied for nothing: several times latencyMargin on a fast machine too
MORE_APPROVALS = 0.3  # which is seen also where a slow machine gives few requests a step


def identical(model: bytes) -> bytes:
    return model


def failing(model: bytes) -> bytes:
    """Looks up place 1 of a list of one for every credit score divisible by 20, which onnxruntime refuses."""
    nodes = [
        helper.make_node("Gather", ["X", "credit_score"], ["score_of_credit"], axis=1),
        helper.make_node("Floor", ["score_of_credit"], ["whole"]),
        helper.make_node("Mod", ["whole", "twenty"], ["rest"], fmod=1),
        helper.make_node("Equal", ["rest", "zero"], ["is_multiple"]),
        helper.make_node("Cast", ["is_multiple"], ["place"], to=TensorProto.INT64),
        helper.make_node("Gather", ["list_of_one", "place"], ["ones"]),
    ]
    constants = {
        "credit_score": np.array(CREDIT_SCORE, dtype=np.int64),
        "twenty": np.array(OF_TWENTY),
        "zero": np.array(0.0),
        "list_of_one": np.array([1.0]),
    }
    return _times(model, nodes, constants, "ones")


def slow(model: bytes) -> bytes:
    """Multiplies matrices and takes the product no further."""
    nodes = [
        helper.make_node("Shape", ["X"], ["shape"]),
        helper.make_node("Cast", ["shape"], ["size"], to=TensorProto.DOUBLE),
        helper.make_node("ReduceMax", ["size"], ["most"], keepdims=0),
        helper.make_node("Mul", ["square", "most"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "square"], ["product_1"]),
        *(helper.make_node("MatMul", [f"product_{n}", "square"], [f"product_{n + 1}"]) for n in range(1, 8)),
        helper.make_node("ReduceSum", ["product_8"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "one"], ["ones"]),
    ]
    square = np.random.default_rng(0).normal(size=(SLOWNESS, SLOWNESS)) / SLOWNESS
    return _times(model, nodes, {"square": square, "zero": np.array(0.0), "one": np.array(1.0)}, "ones")


def crashing(model: bytes) -> bytes:
    return b"not a model: " + model


CHANGES = {"identical": identical, "failing": failing, "slow": slow, "crashing": crashing, "generous": identical}


def publish(registry: Registry, kind: str) -> str:
    artifact = registry.load("v1")
    changed = CHANGES[kind](artifact.files["model.onnx"])
    files = artifact.files | {"model.onnx": changed}
    if changed != artifact.files["model.onnx"]:
        files.pop("tables.npz", None)  # which would score in its place
    threshold = _generous_threshold(artifact) if kind == "generous" else artifact.manifest.threshold

    def describe(version, sums):
        return msgspec.structs.replace(
            artifact.manifest, version=version, files=sums, run=uuid.uuid4().hex, threshold=threshold
        )

    return registry.publish(files, describe).version


def _generous_threshold(artifact: Artifact) -> float:
    """The one that approves 15 points more of the synthetic applications."""
    rows = generate(20_000, 7)[list(LOAN.schema.names)].to_numpy(dtype=np.float64)
    scores = TabularModel(artifact).score(rows)
    return float(np.quantile(scores.probability, 1 - scores.decision.mean() - MORE_APPROVALS))


def _times(model: bytes, nodes: list, constants: dict[str, np.ndarray], factor: str) -> bytes:
    """The model with its probability multiplied by `factor`, which is 1 in every row."""
    loaded = onnx.load_from_string(model)
    graph = loaded.graph
    for node in graph.node:
        node.output[:] = ["plain_probability" if name == "probability" else name for name in node.output]
        node.input[:] = ["plain_probability" if name == "probability" else name for name in node.input]
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    graph.node.extend([*nodes, helper.make_node("Mul", ["plain_probability", factor], ["probability"])])
    return loaded.SerializeToString()


if __name__ == "__main__":
    root, *kinds = sys.argv[1:]
    opened = Registry.open(root)
    print(json.dumps({kind: publish(opened, kind) for kind in kinds}))
