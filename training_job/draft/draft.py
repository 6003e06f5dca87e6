"""Drafts the declaration of a model from a data set: what the data and the names of the columns show.

One pass over all rows finds types, levels, ranges and missing values; a sample of the rows, evenly spread, shows ids
and leaks. Every guess is reported, and marked by a comment in the file.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import msgspec
import numpy as np
import yaml

from tabular_model.data import open_rows
from tabular_model.declaration import Declaration
from tabular_model.errors import DataError
from tabular_model.schema import Column
from training_job.draft import leak
from training_job.draft.column import declare
from training_job.draft.profile import Profile, profiles
from training_job.draft.target import Guess, guess

_ROLES = {
    "time": "make the newest rows the holdout",
    "group": "keep all rows of one applicant on one side of a split",
}


@dataclass(frozen=True)
class Draft:
    """A declaration, and notes on its target, its columns and the columns that are left out, by name."""

    declaration: Declaration
    source: str
    rows: int
    guess: Guess
    notes: dict[str, list[str]]
    left_out: dict[str, str]
    roles: dict[str, str]

    def text(self) -> str:
        """The file: the declaration, and beside each part what was guessed."""
        lines = _comment(
            [
                f"Drafted from {self.source}, {self.rows} rows: comments mark what was guessed and what to decide.",
                "Levels are in alphabetical order, which has no meaning; ranges are rounded outwards.",
            ]
        )
        columns = iter(self.declaration.columns)
        for line in _without_ignored(self.declaration).dump().rstrip("\n").split("\n"):
            if line == "target:":
                target = self.guess
                lines += _comment(
                    [f"the target was chosen {target.column_by}; the value for approval: {target.approval_by}"]
                )
            if line.startswith("- name:") or line == "- name:":
                lines += _comment(self.notes.get(next(columns).name, []))
            lines.append(line)
        return "\n".join([*lines, *self._ignored(), *self._roles()]) + "\n"

    def said(self) -> list[str]:
        """The same for the person who waits."""
        target = self.declaration.target
        said = [
            f"{len(self.declaration.columns)} columns of {self.rows} rows; the target is {_shown(target.name)} "
            f"({self.guess.column_by}), {target.approved} is approval ({self.guess.approval_by})."
        ]
        said += [f"Left out {_shown(name) or '(unnamed)'}: {why}." for name, why in self.left_out.items()]
        protected = self.declaration.schema.protected
        return said + (
            [f"Possibly protected by law, please decide: {', '.join(map(_shown, protected))}."] if protected else []
        )

    def _ignored(self) -> list[str]:
        lines = ["ignored:"] if self.declaration.ignored else []
        for name in self.declaration.ignored:
            (item,) = yaml.safe_dump([name], allow_unicode=True, width=10**6).splitlines()
            lines.append(f"{item}  # {_shown(self.left_out[name])}")
        unnamed = [why for name, why in self.left_out.items() if name not in self.declaration.ignored]
        return lines + _comment(unnamed)

    def _roles(self) -> list[str]:
        return [f"# {role}: {_shown(name)}  # uncomment to {_ROLES[role]}" for name, role in self.roles.items()]


def draft(source: str, *, target: str | None = None, model: str | None = None) -> Draft:
    """A declaration for the data set at `source`; DataError if there is no target, or no column to predict it from."""
    with open_rows(source) as rows:
        columns, shown = profiles(rows.schema, rows), rows.source
    count = columns[0].rows if columns else 0
    if not count:
        raise DataError(f"{shown} has no rows from which to draft a declaration.")
    found = guess(columns, target)
    declared, notes, left_out, roles = _columns(columns, found)
    if not [column for column in declared if not column.protected]:
        why = "; ".join(f"{_shown(name) or '(unnamed)'}: {words}" for name, words in left_out.items())
        raise DataError(f"{shown} has no column to learn {found.target.name} from ({why or 'it is the only one'}).")
    declaration = Declaration(
        model=model or _model_name(source),
        target=found.target,
        columns=tuple(declared),
        ignored=tuple(name for name in left_out if name.strip() and name.isprintable()),
    )
    made = Draft(declaration, shown, count, found, notes, left_out, roles)
    Declaration.parse(made.text(), "the draft")
    return made


def _columns(
    columns: Sequence[Profile], found: Guess
) -> tuple[list[Column], dict[str, list[str]], dict[str, str], dict[str, str]]:
    (target,) = [profile for profile in columns if profile.name == found.target.name]
    codes = target.sampled()
    known = ~np.isnan(codes)
    approved = (codes[known] == _code(target, found.target.approved)).astype(np.int64)
    declared: list[Column] = []
    notes: dict[str, list[str]] = {}
    left_out: dict[str, str] = {}
    roles: dict[str, str] = {}
    for profile in columns:
        if profile is target:
            continue
        column, words, role = declare(profile)
        score = leak.alone(approved, profile.sampled()[known], ordered=column.type != "category") if column else 0.0
        if column and score <= leak.LEAK:
            declared.append(column)
            notes[profile.name] = words
            continue
        leaks = f"a leak: it alone predicts the target (AUC {score:.3f}), like data written after the decision"
        left_out[profile.name] = leaks if column else "; ".join(words)
        if role:
            roles[profile.name] = role
    return declared, notes, left_out, roles


def _code(target: Profile, value: str) -> float:
    """A value of the target as its sample has it."""
    return float(value) if target.number else float(target.values.index(value))


def _without_ignored(declaration: Declaration) -> Declaration:
    return msgspec.structs.replace(declaration, ignored=())


def _model_name(source: str) -> str:
    """The file's name without its endings, as far as a model may be called so."""
    stem = PurePosixPath(source.rstrip("/")).name.split(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:63] or "model"


def _comment(words: Sequence[str]) -> list[str]:
    return [f"# {_shown(each)}" for each in words]


def _shown(text: str) -> str:
    """Text in one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
