"""The OpenAPI description of the HTTP endpoints: the table of routes, a version's schema and the codecs' own types."""

import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from model_server.access import Right
from model_server.codecs.v2_rest import RequestBody, TextualBody
from model_server.controlplane import PromotionRequest
from model_server.rest.routing import Route
from tabular_model.model import TabularModel
from tabular_model.schema import Column
from training_job.launch import TrainingParameters

_ERRORS = {
    "400": "The request is not valid",
    "401": "A token is required, and none or an unknown one was sent",
    "403": "The caller does not have the right",
    "404": "The model or version was not found",
    "408": "The request arrived too slowly",
    "413": "The body is too large",
    "415": "Not JSON",
    "503": "No version is loaded, or the server is overloaded",
}
_OTHERS = {"200": "The response", "202": "Still running", "409": "Not possible in the current state", "500": "Failed"}
_QUERY: dict[str, tuple[str, dict[str, Any]]] = {
    "version": ("Version to use, such as v1; by default the default version", {"type": "string"}),
    "explain": ("Whether to return reason codes", {"type": "boolean"}),
}
_TAGS = {"/v2/repository": "V2 repository", "/v2": "V2", "/v1": "V1"}
_OPTIONAL = ("Index", "TrainingParameters", "VersionToLoad")  # bodies that may be left out
_NAMES = re.compile(r"\{(\w+)\}")


def document(routes: Iterable[Route], model: TabularModel | None) -> dict[str, Any]:
    """OpenAPI 3.1 of what `model` takes; without one the fields of an application are not described."""
    columns = model.columns if model else ()
    words = any(column.type in ("category", "boolean") for column in columns)
    schemas, components = msgspec.json.schema_components(
        [TextualBody if words else RequestBody, TrainingParameters, PromotionRequest],
        ref_template="#/components/schemas/{name}",
    )
    for component in components.values():
        _require_data(component)
    inference, training, promotion = schemas
    bodies = {"Inference": inference, "TrainingParameters": training, "PromotionRequest": promotion} | _bodies(columns)
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
        "paths": _paths(routes, bodies),
    }


def _paths(routes: Iterable[Route], bodies: dict[str, Any]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for route in routes:
        if route.summary:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, bodies)
    return paths


def _operation(route: Route, bodies: dict[str, Any]) -> dict[str, Any]:
    names = [_parameter(name, "path", f"The {name}'s name", {"type": "string"}) for name in _NAMES.findall(route.path)]
    described: dict[str, Any] = {
        "summary": route.summary,
        "tags": [next((tag for start, tag in _TAGS.items() if route.path.startswith(start)), "Plain JSON")],
        "parameters": names + [_parameter(name, "query", *_QUERY[name]) for name in route.query],
        "responses": _responses(route.answers or ("200", *_ERRORS)),
    }
    if route.body:
        content = {"application/json": {"schema": bodies[route.body]}}
        described["requestBody"] = {"required": route.body not in _OPTIONAL, "content": content}
    if route.right not in (None, Right.predict):
        described["security"] = [{"token": []}]
    return described


def _responses(codes: Iterable[str]) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    described = _ERRORS | _OTHERS
    return {code: {"description": described[code]} | ({"content": error} if code >= "400" else {}) for code in codes}


def _parameter(name: str, where: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": where,
        "description": description,
        "schema": schema,
        "required": where == "path",
    }


def _bodies(columns: Sequence[Column]) -> dict[str, Any]:
    """The bodies that are not described by a codec's own type."""
    application = {"$ref": "#/components/schemas/Application"}
    arrays = {column.name: {"type": "array", "items": _property(column), "minItems": 1} for column in columns}
    by_column = _record(arrays, columns) if columns else {"type": "object"}
    row = {"type": "array", "description": "A value for each column, in order"}
    instances = {"type": "array", "items": {"oneOf": [application, row]}, "minItems": 1}
    chosen = {"type": "object", "properties": {"version": {"type": "string"}}}
    return {
        "Application": application,
        "Batch": {"oneOf": [{"type": "array", "items": application, "minItems": 1}, by_column]},
        "Instances": {"type": "object", "properties": {"instances": instances}, "required": ["instances"]},
        "Index": {"type": "object"},
        "VersionToLoad": {"type": "object", "properties": {"parameters": chosen}},
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
    named = {model.manifest.id: {"type": ["string", "integer", "null"]}} if model.manifest.id else {}
    return _record(named | {column.name: _property(column) for column in model.columns}, model.columns) | {
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
