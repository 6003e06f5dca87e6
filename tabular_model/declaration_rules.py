"""The rules of a declaration that its types do not express. A broken rule is described by half a sentence."""

import math
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from tabular_model.declaration_text import Fault, Path
from tabular_model.schema import MODEL_NAME, NAMED, Column

if TYPE_CHECKING:
    from tabular_model.declaration import Declaration

OUTPUTS = ("probability", "decision", "reason_codes", "model_version")
MOST_LEVELS = 255
_FUNCTION = re.compile(r"\w+(\.\w+)*:\w+")

Broken = tuple[Path, str]


def check(declaration: "Declaration") -> None:
    """Raises a `Fault` with the path of the first rule that is broken."""
    for path, text in _of_model(declaration):
        raise Fault(text, None, path)
    for index, column in enumerate(declaration.columns):
        for path, text in _of_column(column):
            raise Fault(text, None, ("columns", index, *path))
    for path, text in _of_names(declaration):
        raise Fault(text, None, path)


def _of_model(declaration: "Declaration") -> Iterator[Broken]:
    if not MODEL_NAME.fullmatch(declaration.model):
        yield (
            ("model",),
            f"model {declaration.model!r} is not a valid name; it must be {NAMED}",
        )
    target = declaration.target
    for key in ("name", "approved", "rejected"):
        if not getattr(target, key).strip():
            yield ("target", key), f"key {key!r} is blank"
    if target.approved == target.rejected:
        yield ("target", "rejected"), f"approved and rejected are both {target.approved!r}"
    if not declaration.columns:
        yield ("columns",), "there are no columns"
    free = [column for column in declaration.columns if not column.protected]
    if free and all(column.proxy for column in free):
        yield ("columns",), "every column to train on is a proxy, so that a rejected applicant could be given no reason"
    if declaration.pipeline and not _FUNCTION.fullmatch(declaration.pipeline):
        yield ("pipeline",), f"pipeline {declaration.pipeline!r} is not of the form package.module:function"
    if declaration.pipeline and declaration.algorithm != "auto":
        yield ("algorithm",), "a custom pipeline replaces the algorithm; remove one of the two keys"


def _of_names(declaration: "Declaration") -> Iterator[Broken]:
    names = [column.name for column in declaration.columns]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield ("columns", index, "name"), "a column of this name is declared above"
    others: list[tuple[Path, str, str]] = [
        (("target", "name"), "the target", declaration.target.name),
        (("id",), "the id", declaration.id),
        (("group",), "the group", declaration.group),
        (("time",), "the time", declaration.time),
        *((("ignored", index), "an ignored column", name) for index, name in enumerate(declaration.ignored)),
    ]
    for path, role, name in others:
        if name in names:
            yield path, f"{role} cannot also be an input of the model, but {name!r} is among the columns"
        if path[0] != "target" and name == declaration.target.name:
            yield path, f"{role} cannot also be the target, but {name!r} is"
    if declaration.id in OUTPUTS:
        yield ("id",), f"{declaration.id!r} is the name of an output; name another column"
    for index, name in enumerate(declaration.ignored):
        if not name.strip():
            yield ("ignored", index), f"value {index + 1} of 'ignored' is blank"


def _of_column(column: Column) -> Iterator[Broken]:
    if not column.name.strip():
        yield ("name",), "the name of the column is blank"
    if not column.name.isprintable():
        yield ("name",), "the name of the column contains a control character"
    if column.name in OUTPUTS:
        yield ("name",), f"{column.name!r} is the name of an output; rename the column"
    yield from _of_range(column)
    yield from _of_levels(column)
    yield from _of_missing(column)
    yield from _of_protected(column)
    for side, reason in column.reasons.items():
        if not reason.code.strip():
            yield ("reasons", side, "code"), f"the code of reason {side!r} is blank"


def _of_range(column: Column) -> Iterator[Broken]:
    if column.type not in ("number", "integer"):
        if column.range is not None:
            yield ("range",), f"a {column.type} has no range"
        return
    if column.range is None:
        yield (), f"{_a(column.type)} needs its range, such as range: [0, 100]"
        return
    low, high = column.range
    if not (math.isfinite(low) and math.isfinite(high)):
        yield ("range",), "both ends of the range must be finite"
    elif low >= high:
        yield ("range",), f"the range must start below its end, but {low:g} is not below {high:g}"
    elif column.type == "integer" and not (low.is_integer() and high.is_integer()):
        yield ("range",), "both ends of the range of an integer must be integers"


def _of_levels(column: Column) -> Iterator[Broken]:
    if column.type != "category":
        if column.levels:
            yield ("levels",), f"{_a(column.type)} has no levels; only a category has them"
        if column.unknown != "refused":
            yield ("unknown",), f"{_a(column.type)} has no unknown levels; only a category has them"
        return
    for index, level in enumerate(column.levels):
        if not level.strip():
            yield ("levels", index), f"level {index + 1} is blank"
        if level in column.levels[:index]:
            yield ("levels", index), f"level {level!r} occurs twice"
    if not 2 <= len(column.levels) <= MOST_LEVELS:
        yield ("levels",), f"a category needs 2 to {MOST_LEVELS} levels, but it has {len(column.levels)}"
    if column.direction:
        yield ("direction",), "a category has no direction, because its levels have no order"


def _of_missing(column: Column) -> Iterator[Broken]:
    if column.unknown == "missing" and not column.missing:
        yield ("unknown",), "an unknown level can become missing only with missing: true"
    if column.optional and not column.missing:
        yield ("optional",), "a column that may be left out is then missing, so it needs missing: true"


def _of_protected(column: Column) -> Iterator[Broken]:
    if column.proxy_limit is not None:
        if not column.protected:
            yield ("proxy_limit",), "a proxy_limit is only for a column that is protected"
        elif not 0.5 < column.proxy_limit < 1:
            yield ("proxy_limit",), f"the proxy_limit is an AUC between 0.5 and 1, but {column.proxy_limit:g} is not"
    if column.proxy and column.protected:
        yield ("proxy",), "a protected column is never a reason and needs no proxy: true; remove one of the two keys"
    if column.bands and not (column.protected and column.type in ("number", "integer")):
        yield ("bands",), "bands are only for a number or integer that is protected"
    if not all(math.isfinite(edge) for edge in column.bands):
        yield ("bands",), "bands must be finite numbers"
    if any(low >= high for low, high in pairwise(column.bands)):
        yield ("bands",), "bands must be in ascending order"
    if column.groups and not (column.protected and column.type == "category"):
        yield ("groups",), "groups are only for a category that is protected"
    placed: dict[str, str] = {}
    for group, levels in column.groups.items():
        yield from _of_group(group, levels, column.levels)
        for level in levels:
            if level in placed:
                yield ("groups", group), f"level {level!r} is in the groups {placed[level]!r} and {group!r}"
            placed[level] = group


def _of_group(group: str, levels: tuple[str, ...], known: Iterable[str]) -> Iterator[Broken]:
    if not group.strip() or not levels:
        yield ("groups", group), f"group {group!r} needs a name and levels"
    for level in levels:
        if level not in known:
            yield ("groups", group), f"group {group!r} names {level!r}, which is not a level of the column"


def _a(kind: str) -> str:
    return f"an {kind}" if kind == "integer" else f"a {kind}"
