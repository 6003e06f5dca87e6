"""The OpenAPI description of the HTTP endpoints, made from a version's schema and the codecs' own types."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from model_server.codecs.v2_rest import RequestBody, TextualBody
from model_server.controlplane import PromotionRequest
from tabular_model.model import TabularModel
from tabular_model.schema import Column
from training_job.launch import TrainingParameters

_ERRORS = {
    "400": "What came is not as expected",
    "401": "It takes a token, and none came that is known",
    "403": "The caller has not the right",
    "404": "No such model or version",
    "408": "The request came too slowly",
    "413": "The body is too large",
    "415": "Not JSON",
    "503": "No version is loaded, or more is asked than can be answered",
}


_TOKEN = ("401", "403")
_SECURITY: list[dict[str, list[str]]] = [{"token": []}]


def document(model: TabularModel | None) -> dict[str, Any]:
    """OpenAPI 3.1 of what `model` takes; without one the fields of an application are not described."""
    columns = model.columns if model else ()
    words = any(column.type in ("category", "boolean") for column in columns)
    schemas, components = msgspec.json.schema_components(
        [TextualBody if words else RequestBody, TrainingParameters, PromotionRequest],
        ref_template="#/components/schemas/{name}",
    )
    infer, train, promote = schemas
    for component in components.values():
        _require_data(component)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Model {model.manifest.model}" if model else "Tabular model",
            "version": version("loan-model"),
            "description": "Probability that an application is approved, the decision, and its reasons."
            + (f" The fields are those of version {model.version}." if model else ""),
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {**components, "Application": _application(model), "Error": _error()},
        },
        "paths": _plain_paths(columns, train, promote) | _v1_paths() | _v2_paths(infer),
    }


def _require_data(component: dict[str, Any]) -> None:
    """A tensor whose data are not binary has some; null is a value in them, not in their place."""
    data = component.get("properties", {}).get("data")
    if data and "anyOf" in data:
        data["anyOf"] = [each for each in data["anyOf"] if each != {"type": "null"}]
        data.pop("default", None)


def _application(model: TabularModel | None) -> dict[str, Any]:
    if model is None:
        return {"type": "object"}
    return _record({column.name: _property(column) for column in model.columns}, model.columns) | {
        "examples": [model.example()]
    }


def _record(properties: dict[str, Any], columns: Sequence[Column]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [column.name for column in columns if not column.optional],
        "additionalProperties": False,
    }


def _property(column: Column) -> dict[str, Any]:
    kind = {"category": "string"}.get(column.type, column.type)
    described: dict[str, Any] = {"type": [kind, "null"] if column.missing else kind, "description": column.expected()}
    if column.type == "category" and column.unknown == "refused":
        described["enum"] = [*column.levels, *([None] if column.missing else [])]
    return described


def _error() -> dict[str, Any]:
    return {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}


def _plain_paths(columns: Sequence[Column], train: Any, promote: Any) -> dict[str, Any]:
    application = {"$ref": "#/components/schemas/Application"}
    arrays = {column.name: {"type": "array", "items": _property(column), "minItems": 1} for column in columns}
    by_column = _record(arrays, columns) if columns else {"type": "object"}
    batch = {"oneOf": [{"type": "array", "items": application, "minItems": 1}, by_column]}
    chosen = [
        _parameter("version", "query", "Version to ask, such as v1; the default where absent", {"type": "string"}),
        _parameter("explain", "query", "Whether to give reason codes", {"type": "boolean"}),
    ]
    return {
        "/predict": {"post": _operation("Predict one application", "Plain JSON", application, chosen)},
        "/predict_batch": {"post": _operation("Predict many applications", "Plain JSON", batch, chosen)},
        "/explain": {
            "post": _operation(
                "Predict one application, with the part of each column", "Plain JSON", application, chosen[:1]
            )
        },
        "/versions": {"get": _operation("The versions there are, with their verdicts", "Plain JSON", None, [])},
        "/versions/{version}/report": {
            "get": _operation("A version's report, as HTML", "Plain JSON", None, [_path("version")])
        },
        "/train": {
            "post": _operation("Train a new version", "Plain JSON", train, [], required=False)
            | {"responses": _responses("200", "202", "400", *_TOKEN, "409", "413", "415", "500"), "security": _SECURITY}
        },
        "/train/{name}": {
            "get": _operation("How a training stands", "Plain JSON", None, [_path("name")])
            | {"responses": _responses("200", "202", *_TOKEN, "404", "500"), "security": _SECURITY}
        },
        "/promote": {
            "post": _operation("Make a version the champion", "Plain JSON", promote, [])
            | {"responses": _responses("200", "400", *_TOKEN, "404", "409", "413", "415"), "security": _SECURITY}
        },
    }


def _v1_paths() -> dict[str, Any]:
    """KServe's V1 protocol."""
    application = {"$ref": "#/components/schemas/Application"}
    row = {"type": "array", "description": "A value for each column, in order"}
    instances = {"type": "array", "items": {"oneOf": [application, row]}, "minItems": 1}
    body = {"type": "object", "properties": {"instances": instances}, "required": ["instances"]}
    model, one = [_path("model")], [_path("model"), _path("version")]
    return {
        "/v1/models": {"get": _operation("The models there are", "V1", None, [])},
        "/v1/models/{model}": {"get": _operation("Is the model loaded", "V1", None, model)},
        "/v1/models/{model}:predict": {"post": _operation("Predict", "V1", body, model)},
        "/v1/models/{model}/versions/{version}:predict": {
            "post": _operation("Predict with a version", "V1", body, one)
        },
    }


def _v2_paths(infer: Any) -> dict[str, Any]:
    model, one = [_path("model")], [_path("model"), _path("version")]
    repository = {
        "type": "object",
        "properties": {"parameters": {"type": "object", "properties": {"version": {"type": "string"}}}},
    }
    return {
        "/v2": {"get": _operation("Server metadata", "V2", None, [])},
        "/v2/health/live": {"get": _operation("Is the server alive", "V2", None, [])},
        "/v2/health/ready": {"get": _operation("Is every model loaded", "V2", None, [])},
        "/v2/models": {"get": _operation("The models there are", "V2", None, [])},
        "/v2/models/{model}": {"get": _operation("Model metadata", "V2", None, model)},
        "/v2/models/{model}/ready": {"get": _operation("Is the model loaded", "V2", None, model)},
        "/v2/models/{model}/infer": {"post": _operation("Infer", "V2", infer, model)},
        "/v2/models/{model}/versions/{version}": {"get": _operation("Metadata of a version", "V2", None, one)},
        "/v2/models/{model}/versions/{version}/ready": {
            "get": _operation("Can the version be loaded", "V2", None, one)
        },
        "/v2/models/{model}/versions/{version}/infer": {"post": _operation("Infer with a version", "V2", infer, one)},
        "/v2/repository/index": {
            "post": _operation("The versions there are", "V2 repository", {"type": "object"}, [], required=False)
        },
        "/v2/repository/models/{model}/load": {
            "post": _operation(
                "Load a version and make it the default", "V2 repository", repository, model, required=False
            )
            | {"security": _SECURITY}
        },
        "/v2/repository/models/{model}/unload": {
            "post": _operation("Unload a version, or all", "V2 repository", repository, model, required=False)
            | {"security": _SECURITY}
        },
    }


def _operation(
    summary: str, tag: str, body: Any, parameters: list[dict[str, Any]], required: bool = True
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "tags": [tag],
        "parameters": parameters,
        "responses": _responses("200", *_ERRORS),
    }
    if body is not None:
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": body}}}
    return operation


def _responses(*codes: str) -> dict[str, Any]:
    described = _ERRORS | {
        "200": "The answer",
        "202": "Still running",
        "409": "Not as things stand",
        "500": "It failed",
    }
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {code: {"description": described[code]} | ({"content": error} if code >= "400" else {}) for code in codes}


def _parameter(name: str, where: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": where,
        "description": description,
        "schema": schema,
        "required": where == "path",
    }


def _path(name: str) -> dict[str, Any]:
    return _parameter(name, "path", f"The {name}'s name", {"type": "string"})
