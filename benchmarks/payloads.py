"""The same applications in the form that each server takes."""

import json
from typing import Any

import numpy as np
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from benchmarks.load import Body
from loan_model.synthetic import LOAN, generate

ROWS = generate(1000, seed=6)[list(LOAN.schema.names)].astype(float)


def v2(rows: int, output: str | None = None) -> Body:
    """One tensor [rows, 7] in JSON, null for missing; some servers must be told the output that they are to give."""
    values = [None if np.isnan(value) else value for value in ROWS[:rows].to_numpy().ravel().tolist()]
    request: dict[str, Any] = {
        "inputs": [
            {"name": "applications", "datatype": "FP64", "shape": [rows, len(LOAN.schema.names)], "data": values}
        ]
    }
    if output:
        request["outputs"] = [{"name": output}]
    return Body(json.dumps(request).encode())


def v2_binary(rows: int) -> Body:
    """One binary tensor behind the JSON, and the answer the same."""
    content = np.ascontiguousarray(ROWS[:rows].to_numpy()).tobytes()
    tensor = {
        "name": "applications",
        "datatype": "FP64",
        "shape": [rows, len(LOAN.schema.names)],
        "parameters": {"binary_data_size": len(content)},
    }
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return Body(head + content, len(head))


def v2_grpc(rows: int) -> bytes:
    """One tensor in raw contents."""
    tensor = {"name": "applications", "datatype": "FP64", "shape": [rows, len(LOAN.schema.names)]}
    content = np.ascontiguousarray(ROWS[:rows].to_numpy()).tobytes()
    request = pb.ModelInferRequest(model_name="loan", inputs=[tensor], raw_input_contents=[content])
    message: bytes = request.SerializeToString()
    return message


def records(rows: int) -> Body:
    """An array of objects."""
    return Body(ROWS[:rows].to_json(orient="records").encode())


def nested(rows: int) -> Body:
    """An array of arrays, as BentoML takes it."""
    values = json.loads(ROWS[:rows].to_json(orient="values"))
    return Body(json.dumps({"applications": values}).encode())
