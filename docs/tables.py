"""Writes the tables of docs/settings.md and docs/endpoints.md from the code: `make docs`."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from model_server.rest.routes import ROUTES
from model_server.settings import GROUPS

PAGES = Path(__file__).parent
TYPES = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "`true` or `false`",
    "array": "list",
    "object": "JSON object",
}
BOUNDS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}


def settings() -> Iterator[str]:
    """A section for each group of settings, with a row for each variable."""
    for title, group in GROUPS.items():
        yield f"## {title}\n\n{group.__doc__}\n\n| variable | type | default | meaning |\n|---|---|---|---|\n"
        for name, field in group.model_json_schema()["properties"].items():
            meaning = field["description"].replace("|", "\\|")
            yield f"| `LOAN_{name.upper()}` | {_type(field)} | {_default(field['default'])} | {meaning} |\n"
        yield "\n"


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    schema = field["anyOf"][0] if "anyOf" in field else field
    name = "path" if schema.get("format") == "path" else TYPES[schema["type"]]
    return " ".join([name, *(f"{word} {schema[bound]:g}" for bound, word in BOUNDS.items() if bound in schema)])


def _default(value: Any) -> str:
    if isinstance(value, list):
        value = ",".join(value)
    if value in (None, "", {}):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def endpoints() -> Iterator[str]:
    """A row for each route that OpenAPI describes."""
    yield "| method | path | what it does | right |\n|---|---|---|---|\n"
    for route in ROUTES:
        if route.summary:
            right = f"`{route.right}`" if route.right else "none"
            yield f"| {route.method} | `{route.path}` | {route.summary} | {right} |\n"
    yield "\n"


TABLES: dict[str, Callable[[], Iterator[str]]] = {"settings.md": settings, "endpoints.md": endpoints}


def renewed(page: str) -> str:
    """The page with its table as the code has it now, between the two markers."""
    text = (PAGES / page).read_text(encoding="utf-8")
    table = "".join(TABLES[page]())
    return re.sub(
        r"(?s)(<!-- written by `make docs` -->\n\n).*(<!-- end -->)", lambda ends: ends[1] + table + ends[2], text
    )


if __name__ == "__main__":
    for name in TABLES:
        (PAGES / name).write_text(renewed(name), encoding="utf-8")
