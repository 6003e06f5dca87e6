"""The one path that every request takes, whatever door it came in by: tensors in, scored tensors out."""

from importlib.metadata import version as installed
from typing import Any

from loan_model.schema import Column
from model_server.errors import InvalidInput, NotFound
from model_server.metrics import Metrics
from model_server.repository import ModelRepository, Served
from model_server.tensors import OUTPUTS, InferRequest, InferResponse, Output

EXTENSIONS = ["model_repository", "binary_tensor_data"]


class DataPlane:
    """Scores requests and describes what can be asked; knows no protocol."""

    def __init__(self, repository: ModelRepository, metrics: Metrics) -> None:
        self.repository = repository
        self._metrics = metrics

    def infer(self, name: str, version: str | None, request: InferRequest) -> InferResponse:
        """Raises NotFound, NotReady or InvalidInput, each with a sentence for the caller."""
        self.check_name(name)
        for output in request.outputs:
            if output not in OUTPUTS:
                raise InvalidInput(f"Unknown output '{output}': the outputs are {', '.join(OUTPUTS)}.")
        served = self.repository.get(version)
        matrix = served.signature.matrix(request.tensors)
        findings = served.signature.check(matrix)
        probability, decision = served.model.score(matrix)
        self._metrics.scored(served.model.version, served.model.columns, probability, int(decision.sum()), findings)
        rows = len(matrix)
        values = {
            "probability": lambda: Output("probability", "FP64", [rows], probability),
            "decision": lambda: Output("decision", "INT64", [rows], decision),
            "reason_codes": lambda: Output("reason_codes", "BYTES", [rows, 4], served.model.reason_codes(matrix)),
        }
        return InferResponse(request.id, served.model.version, [values[output]() for output in request.outputs])

    def check_name(self, name: str) -> None:
        if name != self.repository.name:
            raise NotFound(f"Unknown model '{name}': this server has '{self.repository.name}'.")

    def model_ready(self, name: str, version: str | None) -> bool:
        """Ready means loaded; a version that is only in the registry is loaded to answer."""
        self.check_name(name)
        if version is None:
            return self.repository.ready
        self.repository.get(version)
        return True

    def model_metadata(self, name: str, version: str | None) -> dict[str, Any]:
        self.check_name(name)
        served = self.repository.get(version)
        return {
            "name": name,
            "versions": self.repository.versions() if version is None else [version],
            "platform": "onnxruntime_onnx",
            "inputs": inputs(served.model.columns),
            "outputs": outputs(),
        }

    def server_metadata(self) -> dict[str, Any]:
        return {"name": "loan-model", "version": installed("loan-model"), "extensions": EXTENSIONS}

    def served(self, version: str | None) -> Served:
        return self.repository.get(version)


def inputs(columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    """The inputs as V2 metadata. Any numeric datatype is taken; these are the natural ones."""
    datatypes = {"float": "FP64", "integer": "INT64"}
    return [{"name": c.name, "datatype": datatypes[c.dtype], "shape": [-1]} for c in columns]


def outputs() -> list[dict[str, Any]]:
    return [
        {"name": "probability", "datatype": "FP64", "shape": [-1]},
        {"name": "decision", "datatype": "INT64", "shape": [-1]},
        {"name": "reason_codes", "datatype": "BYTES", "shape": [-1, 4]},
    ]
