"""A model as one YAML file: its name, its target, its columns, and how it is trained."""

import ast
import difflib
import inspect
import re
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import yaml

from tabular_model.declaration_rules import check
from tabular_model.declaration_text import Document, Fault, compose, named
from tabular_model.declaration_text import Path as Place
from tabular_model.errors import ModelError
from tabular_model.schema import Column, Law, Reason, Schema, Side, Target

_WIDE = 1 << 20  # so that no value is broken into lines
_LINE = 90  # characters of a list that stands in one line
_EXACT = 2**53  # a float64 up to it is written as the whole number that it is


class DeclarationError(ModelError):
    """A declaration that cannot be used: in which file, line and column, and what is wrong."""


class Declaration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A model: its inputs, its target, and how it is trained."""

    model: str
    """Name of the model, also in requests: letters, digits, `-`, `_` and `.`."""
    target: Target
    """The column that the model predicts."""
    columns: tuple[Column, ...]
    """The inputs of the model, in the order of the matrix that is scored."""
    ignored: tuple[str, ...] = ()
    """Columns of the data that are not inputs, such as ids."""
    id: str = ""
    """The column by which an application is named in requests and data; it is no input, and the record keeps it."""
    law: tuple[Law, ...] = ()
    """Laws that apply to the decisions: with `eu` the record is kept for six months at least."""
    group: str = ""
    """The column that tells one applicant from another: all rows of one stay on the same side of a split."""
    time: str = ""
    """The column by which the newest rows become the holdout."""
    algorithm: str = "auto"
    """How the model is trained; `auto` compares algorithms on the data and uses the best."""
    parameters: dict[str, str] = {}
    """Parameters of the algorithm, by its own names."""
    pipeline: str = ""
    """A custom pipeline instead of an algorithm: `package.module:function`."""

    @property
    def schema(self) -> Schema:
        """The columns as the rest of the system uses them."""
        return Schema(self.columns)

    @classmethod
    def read(cls, path: Path | str) -> "Declaration":
        """The declaration in a file; `DeclarationError` if it cannot be used."""
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise DeclarationError(f"{path} is not a declaration: it is not text in UTF-8.") from None
        except OSError as error:
            raise DeclarationError(f"The declaration {path} cannot be read: {error.strerror or error}.") from error
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, where: str) -> "Declaration":
        """The declaration in a text; `where` is what an error calls the text."""
        document = None
        try:
            document = compose(text)
            for fault in document.faults:
                raise fault
            _check_keys(document)
            declaration = _convert(document)
            check(declaration)
        except Fault as fault:
            raise DeclarationError(_sentence(fault, where, document)) from None
        return declaration

    def dump(self) -> str:
        """The declaration as YAML, which reads back as the same."""
        return yaml.dump(msgspec.to_builtins(self), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDE)


def _check_keys(document: Document) -> None:
    for path, line in document.lines.items():
        known = _known(path[:-1]) if path else ()
        if known and isinstance(path[-1], str) and path[-1] not in known:
            raise Fault(f"unknown key {path[-1]!r}; {_meant(path[-1], known)}", line, path)


def _known(path: Place) -> tuple[str, ...]:
    """The keys that are known at a path; none where any is."""
    match path:
        case ():
            return Declaration.__struct_fields__
        case ("target",):
            return Target.__struct_fields__
        case ("columns", int()):
            return Column.__struct_fields__
        case ("columns", int(), "reasons"):
            return get_args(Side)
        case ("columns", int(), "reasons", _):
            return Reason.__struct_fields__
    return ()


def _meant(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f"did you mean {close[0]!r}?" if close else f"the known keys are {', '.join(known)}"


def _convert(document: Document) -> Declaration:
    try:
        return msgspec.convert(document.value, Declaration, strict=False)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
    path = tuple(int(index) if index else key for key, index in re.findall(r"\.(\w+)|\[(\d+)\]", where))
    raise Fault(_in_words(what, path, document.at(path)), None, path)


_WORDS = {
    "str": "text",
    "bool": "true or false",
    "float": "a number",
    "array": "a list",
    "array | null": "a list",
    "object": "keys with their values",
}


def _in_words(what: str, path: Place, value: Any) -> str:
    """An error of msgspec as an engineer says it."""
    name = named(path)
    if found := re.fullmatch(r"Object missing required field `(\w+)`", what):
        return f"key {found[1]!r} is missing" + (f" in {name}" if path and isinstance(path[-1], str) else "")
    if what.startswith("Invalid enum value"):
        key = next(str(each) for each in reversed(path) if isinstance(each, str))
        known = _choices(get_type_hints(Column if path[0] == "columns" else Declaration)[key])
        return f"{name} must be one of {', '.join(known)}, not {value!r}"
    if found := re.fullmatch(r"Expected `array` of length (\d+), got (\d+)", what):
        return f"{name} must be a list of {found[1]} values, not of {found[2]}"
    if found := re.fullmatch(r"Expected `([^`]+)`, got `\w+`", what):
        shown = repr(value) if isinstance(value, str) else "a list" if isinstance(value, list) else "keys with values"
        return f"{name} must be {_WORDS.get(found[1], found[1])}, not {shown}"
    return f"{name}: {what}"


def _choices(hint: Any) -> list[str]:
    parts = get_args(hint)
    return [part for part in parts if isinstance(part, str)] + [word for part in parts for word in _choices(part)]


def _sentence(fault: Fault, where: str, document: Document | None) -> str:
    line = fault.line or (document.line(fault.path) if document else None)
    place = [where] + ([f"line {line}"] if line else [])
    if document and fault.path[:1] == ("columns",) and len(fault.path) > 1:
        name = document.at((*fault.path[:2], "name"))
        place += [f"column {name}"] if isinstance(name, str) and name else []
    return f"{', '.join(place)}: {fault.text}" + ("" if fault.text.endswith("?") else ".")


class _Dumper(yaml.SafeDumper):
    """A short list in one line, anything else in lines of its own; whole numbers without a point."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        plain = not any(isinstance(item, dict | list) for item in sequence)
        short = plain and len(", ".join(map(str, sequence))) <= _LINE
        return super().represent_sequence(tag, sequence, flow_style=short or flow_style)

    def represent_float(self, data: float) -> yaml.ScalarNode:
        if data.is_integer() and abs(data) < _EXACT:
            return self.represent_int(int(data))
        return super().represent_float(data)


_Dumper.add_representer(float, _Dumper.represent_float)


def json_schema() -> dict[str, Any]:
    """The JSON schema of a declaration for editors, made from the types and their docstrings."""
    schema = msgspec.json.schema(Declaration)
    for struct in (Declaration, Target, Column, Reason):
        described = schema["$defs"][struct.__name__]
        described["description"] = inspect.getdoc(struct)
        for name, words in _docs_of_fields(struct).items():
            described["properties"][name]["description"] = words
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_any_plain(schema)}


def _docs_of_fields(struct: type) -> dict[str, str]:
    """The docstring below each field."""
    (definition,) = ast.parse(inspect.getsource(struct)).body
    docs = {}
    for field, below in pairwise(definition.body if isinstance(definition, ast.ClassDef) else ()):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                docs[name] = words
    return docs


def _any_plain(schema: Any) -> Any:
    """Lets an editor accept `007` and `true` where text is expected: what is plain in YAML is read as text."""
    if isinstance(schema, list | tuple):
        return [_any_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: _any_plain(value) for key, value in schema.items()}
    if schema.get("type") == "string" and "enum" not in schema:
        changed["type"] = ["string", "number", "boolean"]
    return changed
