"""Manifests of earlier formats, so that versions published in them can still be served.

Format 1 knew numbers only, one name of a model, and a target of 1 for approved and 0 for rejected.
"""

from typing import Any

FIRST_MODEL = "loan"  # what every model was called in format 1
_KINDS = {"float": "number", "integer": "integer"}
_DIRECTIONS = {1: "up", -1: "down", 0: None}


def upgrade(document: dict[str, Any]) -> dict[str, Any]:
    """A manifest of format 1 as today's; KeyError where it lacks something."""
    return document | {
        "model": FIRST_MODEL,
        "schema": [_column(column) for column in document["schema"]],
        "target": {"name": document["target"], "approved": "1", "rejected": "0"},
    }


def _column(column: dict[str, Any]) -> dict[str, Any]:
    """`missing` was the share of rows without the value."""
    return {
        "name": column["name"],
        "type": _KINDS[column["dtype"]],
        "unit": column["unit"],
        "range": [column["minimum"], column["maximum"]],
        "missing": column["missing"] > 0,
        "direction": _DIRECTIONS[column["monotone"]],
        "protected": column["protected"],
    }
