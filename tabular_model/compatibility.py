"""Whether a version accepts the requests that another accepts, column by column."""

from enum import Enum

import msgspec
import numpy as np
from numpy.typing import NDArray

from tabular_model.schema import Column, Schema


class Holds(Enum):
    """Under which condition no request fails because of a difference."""

    ALWAYS = "every request that is accepted now stays accepted"
    IGNORING = "when callers send the columns of both versions and the servers ignore extra inputs"
    NEVER = "only after callers change"


class Difference(msgspec.Struct, frozen=True):
    """One difference in a column, and the condition under which no request fails."""

    column: str
    what: str
    holds: Holds


def differences(old: Schema, new: Schema) -> tuple[Difference, ...]:
    """How `new` treats requests for `old`; empty if both accept the same requests."""
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    found = [Difference(name, "is no longer an input", Holds.IGNORING) for name in before if name not in after]
    for name, column in after.items():
        if name not in before:
            found.append(_added(column))
        else:
            found += [Difference(name, what, Holds.NEVER) for what in _narrower(before[name], column)]
    return tuple(found)


def _added(column: Column) -> Difference:
    if column.optional:
        return Difference(column.name, "is new and optional", Holds.ALWAYS)
    return Difference(column.name, "is new and required", Holds.IGNORING)


def _narrower(old: Column, new: Column) -> list[str]:
    """What the old column accepts and the new one does not."""
    if old.type != new.type and (old.type, new.type) not in _WIDER:
        return [f"has the type {new.type} instead of {old.type}"]
    found = []
    if old.missing and not new.missing:
        found.append("can no longer be missing")
    if new.range and old.range and (new.minimum > old.minimum or new.maximum < old.maximum):
        found.append(f"has the expected range {new.expected()} instead of {old.expected()}")
    lost = [level for level in old.levels if level not in new.levels]
    if lost and new.unknown == "refused":
        found.append(f"no longer accepts {', '.join(lost)}")
    if old.unknown == "missing" and new.unknown == "refused":
        found.append("no longer accepts unknown levels")
    return found


def recoded(matrix: NDArray[np.float64], schema: Schema, columns: tuple[Column, ...]) -> NDArray[np.float64] | None:
    """Rows of `schema` as rows of `columns`, by name; None if a column is missing or of another kind.

    A level that the other column does not have is missing there.
    """
    found = np.empty((len(matrix), len(columns)))
    there = {column.name: (column, matrix[:, index]) for index, column in enumerate(schema.columns)}
    for index, column in enumerate(columns):
        source, values = there.get(column.name, (None, np.empty(0)))
        if source is None or (source.type == "category") != (column.type == "category"):
            return None
        found[:, index] = values if column.type != "category" else _codes(values, source, column)
    return found


def _codes(values: NDArray[np.float64], source: Column, column: Column) -> NDArray[np.float64]:
    places = {level: float(code) for code, level in enumerate(column.levels)}
    table = np.array([*(places.get(level, np.nan) for level in source.levels), np.nan])
    codes: NDArray[np.float64] = table[np.where(np.isnan(values), len(source.levels), values).astype(np.intp)]
    return codes


_WIDER = {("integer", "number"), ("boolean", "integer"), ("boolean", "number")}
