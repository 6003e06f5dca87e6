"""A model's input record: its columns, and the target that it predicts."""

import re
from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

from tabular_model.errors import ModelError

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
NAMED = "up to 63 letters, digits, '-', '_' and '.', the first a letter or digit"  # that pattern in words

Kind = Literal["number", "integer", "boolean", "category"]
Side = Literal["low", "high", "missing"]
Law = Literal["eu"]


class Reason(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A reason for an applicant: a `code` for machines and a sentence for people."""

    code: str
    text: str = ""


class Column(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One input of the model.

    In the matrix that is scored each column is one float64: a number as it is, a boolean as 0 or 1, a category as the
    index of its level, and NaN where the value is missing.
    """

    name: str
    type: Kind = "number"
    unit: str = ""
    range: tuple[float, float] | None = None
    """Lowest and highest value expected of a number or integer; others are counted, or rejected if so configured."""
    levels: tuple[str, ...] = ()
    """The values of a category, as they are written in data and in requests."""
    unknown: Literal["missing", "refused"] = "refused"
    """What to do with a value that is not among `levels`."""
    missing: bool = False
    """Whether the value may be missing."""
    optional: bool = False
    """Whether a request may omit the column, as requests for an earlier version do."""
    direction: Literal["up", "down"] | None = None
    """The direction in which the probability of approval may change as the value grows; by default either."""
    protected: bool = False
    """Whether the law protects the characteristic: it is for fairness, trained on only by choice, never a reason."""
    proxy_limit: float | None = None
    """The AUC by which the features may predict a group of a protected column; above it the gate fails."""
    proxy: bool = False
    """Whether it stands for a protected characteristic: it is trained on, but never given as a reason."""
    bands: tuple[float, ...] = ()
    """The values at which a protected number is divided into the groups that are compared."""
    groups: dict[str, tuple[str, ...]] = {}
    """Groups of levels of a protected category that are compared, by name; by default each level by itself."""
    reasons: dict[Side, Reason] = {}
    """The wording of a low, a high or a missing value as a reason; by default made from the name."""

    @property
    def can_be_reason(self) -> bool:
        """Whether an applicant may be told that it lowered the score."""
        return not (self.protected or self.proxy)

    @property
    def nullable(self) -> bool:
        """Whether a row without the value is accepted; an unknown level may become such a row."""
        return self.missing

    @property
    def whole(self) -> bool:
        """Whether the matrix holds whole numbers only."""
        return self.type != "number"

    @property
    def minimum(self) -> float:
        """The lowest value that the matrix is expected to hold."""
        return self.range[0] if self.range else 0.0

    @property
    def maximum(self) -> float:
        """The highest value that the matrix is expected to hold."""
        if self.range:
            return self.range[1]
        return float(len(self.levels) - 1) if self.type == "category" else 1.0

    @property
    def monotone(self) -> int:
        """`direction` as scikit-learn writes it: 1, -1, or 0 for either."""
        return {"up": 1, "down": -1, None: 0}[self.direction]

    @property
    def flag(self) -> bool:
        """Whether it is either so or not, so that a reason needs no LOW or HIGH."""
        return self.type == "boolean" or (self.type == "integer" and self.range == (0, 1))

    def reason(self, side: Side) -> Reason:
        """The wording for a value that lowered the score by being low, high or missing."""
        if side in self.reasons:
            return self.reasons[side]
        code, words = self.name.upper().replace(" ", "_"), self.name.replace("_", " ")
        if side == "missing":
            return Reason(code=f"{code}_MISSING", text=f"{words} is not known")
        if self.flag or self.type == "category":
            return Reason(code=code, text=words)
        return Reason(code=f"{code}_{side.upper()}", text=f"{words} is {side}")

    def wordings(self) -> list[Reason]:
        """Every reason that the column can be."""
        return [self.reason(side) for side in get_args(Side)]

    def expected(self) -> str:
        """What values are expected, in words."""
        if self.type == "category":
            shown = ", ".join(self.levels[:_SHOWN])
            return f"one of {shown}" + (f" and {len(self.levels) - _SHOWN} more" if len(self.levels) > _SHOWN else "")
        if self.type == "boolean":
            return "true or false"
        if self.flag:
            return "0 or 1"
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.minimum:g} to {self.maximum:g}{unit}"


_SHOWN = 12  # levels that a message names


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The column that the model predicts, and its two values as written in the data."""

    name: str
    approved: str = "1"
    rejected: str = "0"


class Schema(msgspec.Struct, frozen=True):
    """The columns in the order of the matrix."""

    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The column names in the order of the matrix."""
        return tuple(column.name for column in self.columns)

    @property
    def protected(self) -> tuple[str, ...]:
        """The names of the protected columns, in the order of the matrix; empty if there are none."""
        return tuple(column.name for column in self.columns if column.protected)

    @property
    def proxy_limits(self) -> dict[str, float]:
        """By name of a protected column the AUC by which the features may predict its groups, where one is declared."""
        return {column.name: column.proxy_limit for column in self.columns if column.proxy_limit is not None}

    def features(self, use_protected: Sequence[str] = ()) -> tuple[str, ...]:
        """The columns to train on, in order: the protected ones only if named; ModelError for one that is not."""
        for name in use_protected:
            if name not in self.protected:
                there = ", ".join(self.protected) or "none"
                raise ModelError(f"{name} is not a protected column; the protected columns are {there}.")
        return tuple(name for name in self.names if name not in self.protected or name in use_protected)

    def positions(self, names: Sequence[str]) -> list[int]:
        """The positions of the columns of these names in the matrix."""
        return [self.names.index(name) for name in names]

    def __len__(self) -> int:
        return len(self.columns)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)
