"""The one path of every request, from every endpoint: tensors in, scored tensors out."""

from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any

from model_server.errors import InvalidInput, ModelFailed, NotFound, ServeError
from model_server.metrics import Metrics
from model_server.repository import ModelRepository, Served
from model_server.tensors import OUTPUTS, InferRequest, InferResponse, Output
from tabular_model.explain import REASONS, Reasons
from tabular_model.model import Scores
from tabular_model.schema import Column

if TYPE_CHECKING:
    from model_server.prediction_log import PredictionLog

DATATYPES = {"number": "FP64", "integer": "INT64", "boolean": "BOOL", "category": "BYTES"}
EXTENSIONS = ["model_repository", "binary_tensor_data"]


class DataPlane:
    """Scores requests and describes models; knows no protocol."""

    def __init__(self, repository: ModelRepository, metrics: Metrics, log: "PredictionLog | None" = None) -> None:
        self.repository = repository
        self._metrics = metrics
        self._log = log

    def served(self, name: str, version: str | None) -> Served:
        """The version that a request asks for, which it keeps until it is answered; it may have to be loaded.

        NotFound for another model or version, NotReady for one that cannot be loaded.
        """
        self.check_name(name)
        return self.repository.get(version)

    def infer(self, served: Served, request: InferRequest, traceparent: str = "") -> InferResponse:
        """Raises InvalidInput or ModelFailed, each with a sentence for the caller.

        `traceparent` is the trace that the request belongs to, for the prediction log.
        """
        for output in request.outputs:
            if output not in OUTPUTS:
                raise InvalidInput(f"Unknown output '{output}': the outputs are {', '.join(OUTPUTS)}.")
        if len(set(request.outputs)) < len(request.outputs):
            raise InvalidInput("An output is requested twice; request each output once.")
        try:
            return self._infer(served, request, traceparent)
        except ServeError:
            raise
        except Exception as error:
            raise ModelFailed("The model failed on this request; the server's log has the cause.") from error

    def _infer(self, served: Served, request: InferRequest, traceparent: str) -> InferResponse:
        model, signature = served
        matrix = signature.matrix(request.tensors)
        findings = signature.check(matrix)
        scores = model.score(matrix)
        self._metrics.scored(model.version, model.columns, scores, findings)
        if self._log:
            self._log.offer(request.id, model.manifest, matrix, scores, traceparent)
        reasons = model.reasons(matrix) if "reason_codes" in request.outputs else None
        outputs = [_output(output, scores, reasons) for output in request.outputs]
        return InferResponse(request.id, model.version, outputs, reasons)

    def check_name(self, name: str) -> None:
        """NotFound for any name but that of the one model which this server has."""
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
        """The model as V2 metadata; `versions` are all in the registry, or only the one that is asked for.

        Loads the version if need be; NotFound and NotReady as `served`.
        """
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
        """The server as V2 metadata; `version` is that of the installed package, not of a model."""
        return {"name": "loan-model", "version": installed("loan-model"), "extensions": EXTENSIONS}


def _output(name: str, scores: Scores, reasons: Reasons | None) -> Output:
    rows = len(scores.probability)
    if name == "probability":
        return Output(name, "FP64", [rows], scores.probability)
    if name == "reason_codes" and reasons:
        return Output(name, "BYTES", [rows, REASONS], reasons.codes)
    return Output(name, "INT64", [rows], scores.decision)


def inputs(columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    """The inputs as V2 metadata. Any numeric datatype is accepted for a number; these are the natural ones.

    The expected values are in `parameters`.
    """
    return [
        {"name": column.name, "datatype": DATATYPES[column.type], "shape": [-1], "parameters": _expected(column)}
        for column in columns
    ]


def without_parameters(tensors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same for gRPC, whose message of a tensor's metadata has no parameters."""
    return [{name: tensor[name] for name in ("name", "datatype", "shape")} for tensor in tensors]


def _expected(column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {"missing": column.missing}
    if column.type == "category":
        return found | {"levels": column.levels, "unknown": column.unknown}
    if column.range:
        found["range"] = column.range
    return found | ({"unit": column.unit} if column.unit else {})


def outputs() -> list[dict[str, Any]]:
    """The outputs as V2 metadata; -1 stands for the number of rows. Reason codes are returned only on request."""
    return [
        {"name": "probability", "datatype": "FP64", "shape": [-1]},
        {"name": "decision", "datatype": "INT64", "shape": [-1]},
        {"name": "reason_codes", "datatype": "BYTES", "shape": [-1, REASONS]},
    ]
