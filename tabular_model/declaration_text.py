"""YAML of which each plain value stays the text that was written, with the line of each key and value.

YAML's own types would make 7 of the level `007`, 1.5 of `1.50` and false of `NO`.
"""

from typing import NamedTuple

import yaml

Value = str | list["Value"] | dict[str, "Value"]
Path = tuple[str | int, ...]


class Fault(Exception):
    """What is wrong, as half a sentence, and at which line of the text (from 1), where that is known."""

    def __init__(self, text: str, line: int | None = None, path: Path = ()) -> None:
        super().__init__(text)
        self.text, self.line, self.path = text, line, path


class Document(NamedTuple):
    """The values of a text, the lines (from 1) where they stand, by path such as `("columns", 2, "range")`, and what is
    wrong with the text itself."""

    value: Value
    lines: dict[Path, int]
    faults: list[Fault]

    def line(self, path: Path) -> int | None:
        """The line of the value, else of what holds it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def at(self, path: Path) -> Value | None:
        """The value at a path."""
        value: Value | None = self.value
        for key in path:
            if isinstance(value, dict) and isinstance(key, str):
                value = value.get(key)
            elif isinstance(value, list) and isinstance(key, int) and key < len(value):
                value = value[key]
            else:
                return None
        return value


def compose(text: str) -> Document:
    """Reads one YAML document; raises a `Fault` where the text is none."""
    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise Fault(f"this is not YAML: {error.problem}", line) from None
    except yaml.YAMLError:
        raise Fault("this is not YAML: it contains a character that cannot be printed") from None
    except RecursionError:
        raise Fault("it is nested too deeply") from None
    if node is None:
        raise Fault("it is empty")
    composer = _Composer()
    return Document(composer.value(node, ()), composer.lines, composer.faults)


class _Composer:
    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.faults: list[Fault] = []
        self._seen: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> Value:
        line = self.lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in self._seen:
            return self._fault("YAML aliases are not supported; write the value itself", line, path)
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        if node.value == "" and node.tag.endswith(":null"):
            return self._fault(f"{named(path)} has no value; write one, or leave it out", line, path)
        return str(node.value)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> Value:
        values: dict[str, Value] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self._fault("a key must be text", line, path)
                continue
            place = (*path, key.value)
            if key.value in values:
                self._fault(f"key {key.value!r} occurs twice, first in line {self.lines[place]}", line, place)
                continue
            self.lines[place] = line
            values[key.value] = self.value(value, place)
        return values

    def _fault(self, text: str, line: int, path: Path) -> str:
        self.faults.append(Fault(text, line, path))
        return ""


def named(path: Path) -> str:
    """The name of a path, in words."""
    if not path:
        return "the declaration"
    if isinstance(path[-1], int):
        return f"value {path[-1] + 1} of {path[-2]!r}" if len(path) > 1 else f"value {path[-1] + 1}"
    return f"key {path[-1]!r}"
