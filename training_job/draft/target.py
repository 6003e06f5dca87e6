"""Guesses from names and values which column is the target and which of its two values is approval."""

import difflib
from collections.abc import Sequence
from typing import NamedTuple

from tabular_model.errors import DataError
from tabular_model.schema import Target
from training_job.draft import words
from training_job.draft.profile import Profile


class Guess(NamedTuple):
    """The target, and in words how it was found."""

    target: Target
    column_by: str
    approval_by: str


def guess(columns: Sequence[Profile], named: str | None) -> Guess:
    """The target, `named` or guessed; DataError where no column has two values, or the named one has not."""
    column, column_by = _named(columns, named) if named else _guessed(columns)
    first, second = values = (column.values[0], column.values[1])
    approved = words.approval(column.name, values)
    if approved:
        sure = (
            "clear from its values"
            if words.strong(values)
            else f"a guess from the name and the values {first} and {second}"
        )
    else:
        levels = column.levels or {}
        approved = max(values, key=lambda value: levels.get(value, 0))
        sure = "a guess, as the more frequent value"
    if column.missing:
        sure += f"; {column.missing} rows have none"
    rejected = second if approved == first else first
    return Guess(Target(name=column.name, approved=approved, rejected=rejected), column_by, sure)


def _named(columns: Sequence[Profile], named: str) -> tuple[Profile, str]:
    for column in columns:
        if column.name == named:
            if len(column.values) != 2:
                count = len(column.values) or "more than 255"
                raise DataError(f"The target {named} has {count} different values; it needs two, such as 1 and 0.")
            return column, "as given"
    close = difflib.get_close_matches(named, [column.name for column in columns], 1)
    meant = f"did you mean {close[0]}?" if close else f"the columns are {', '.join(each.name for each in columns)}."
    raise DataError(f"The data have no column {named}; {meant}")


def _guessed(columns: Sequence[Profile]) -> tuple[Profile, str]:
    fit = [column for column in columns if len(column.values) == 2 and column.name.strip()]
    ranked = [(rank, -place, column) for place, column in enumerate(fit) if (rank := _rank(column)) is not None]
    if ranked:
        return min(ranked, key=lambda each: each[:2])[2], "by its name"
    free = [column for column in fit if not words.protected(column.name)] or fit
    if not free:
        raise DataError("No column has two values, so none can be the target; choose one with --target.")
    return free[-1], "as the last column with two values"


def _rank(column: Profile) -> int | None:
    return None if words.protected(column.name) else words.target_rank(column.name)
