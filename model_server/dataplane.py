"""The one path of every request, from every endpoint: tensors in, scored tensors out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version as installed
from typing import Any, Protocol

from model_server.errors import InvalidInput, ModelFailed, NotFound, ServeError
from model_server.ids import texts
from model_server.metrics import Metrics
from model_server.repository import ModelRepository, Served
from model_server.tensors import OUTPUTS, InferRequest, InferResponse, Output
from tabular_model.decisions.made import Decided, Refused
from tabular_model.explain import REASONS, Reasons
from tabular_model.model import Scores
from tabular_model.schema import Column

DATATYPES = {"number": "FP64", "integer": "INT64", "boolean": "BOOL", "category": "BYTES"}
EXTENSIONS = ["model_repository", "binary_tensor_data"]


class Log(Protocol):
    """What is told of every decision, in any thread; it keeps no request waiting, and raises nothing."""

    def offer(self, decided: Decided) -> None:
        """The rows of a request that was answered."""

    def refuse(self, refused: Refused) -> None:
        """A request that a version refused, or failed on."""

    def stop(self) -> None:
        """Writes what waits, for a short time."""


class Source(Protocol):
    """Where a request came from, as logs want to know."""

    @property
    def request_id(self) -> str:
        """The caller's id of the request, or the one that was made for it."""

    @property
    def traceparent(self) -> str:
        """The trace that it belongs to, for others who are called; empty if to none."""


class DataPlane:
    """Scores requests and describes models; knows no protocol."""

    def __init__(self, repository: ModelRepository, metrics: Metrics, logs: Sequence[Log] = ()) -> None:
        self.repository = repository
        self._metrics = metrics
        self._logs = logs

    def served(self, name: str, version: str | None) -> Served:
        """The version that a request asks for, which it keeps until it is answered; it may have to be loaded.

        NotFound for another model or version, NotReady for one that cannot be loaded.
        """
        self.check_name(name)
        return self.repository.get(version)

    def infer(self, served: Served, request: InferRequest, source: Source | None = None) -> InferResponse:
        """Raises InvalidInput or ModelFailed, each with a sentence for the caller; `source` is for the logs."""
        try:
            for output in request.outputs:
                if output not in OUTPUTS:
                    raise InvalidInput(f"Unknown output '{output}': the outputs are {', '.join(OUTPUTS)}.")
            if len(set(request.outputs)) < len(request.outputs):
                raise InvalidInput("An output is requested twice; request each output once.")
            return self._infer(served, request, source)
        except ServeError as error:
            self.refused(served, error, source, request.id)
            raise
        except Exception as error:
            failed = ModelFailed("The model failed on this request; the server's log has the cause.")
            self.refused(served, failed, source, request.id)
            raise failed from error

    def refused(self, served: Served, error: ServeError, source: Source | None, request_id: str = "") -> None:
        """Tells the logs of a request that the version did not answer; `request_id` is the one within it."""
        for log in self._logs:
            name, trace = _of(source, request_id)
            log.refuse(Refused(served.model.manifest, datetime.now(UTC), name, error.http, str(error), trace))

    def _infer(self, served: Served, request: InferRequest, source: Source | None) -> InferResponse:
        model, signature = served
        ids = signature.take_ids(request.tensors) if signature.id else None
        matrix = signature.matrix(request.tensors)
        names = texts(ids, len(matrix)) if ids else None
        findings = signature.check(matrix)
        scores = model.score(matrix)
        self._metrics.scored(model.version, model.columns, scores, findings)
        reasons = model.reasons(matrix) if "reason_codes" in request.outputs else None
        if self._logs:
            name, trace = _of(source, request.id)
            codes = reasons.codes if reasons else None
            decided = Decided(model.manifest, datetime.now(UTC), name, names, matrix, scores, codes, trace)
            for log in self._logs:
                log.offer(decided)
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


def _of(source: Source | None, request_id: str) -> tuple[str, str]:
    """The request's id and trace: the id within it goes before that of its way here."""
    return (request_id or source.request_id, source.traceparent) if source else (request_id, "")


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
