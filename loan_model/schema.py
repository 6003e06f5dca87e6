"""The record: one row is one loan application."""

from typing import Literal

import msgspec


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One input of the model.

    `monotone` is the direction in which approval may move as the value grows: 1 up, -1 down, 0 unknown.
    `missing` is the share of applications that lack the value; 0 means that it may not be missing.
    """

    name: str
    dtype: Literal["float", "integer"]
    unit: str
    minimum: float
    maximum: float
    missing: float = 0.0
    monotone: Literal[-1, 0, 1] = 0
    protected: bool = False

    @property
    def nullable(self) -> bool:
        return self.missing > 0


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """The columns in the order of the V2 matrix, and the target."""

    columns: tuple[Column, ...]
    target: str

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def protected(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.protected)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


SCHEMA = Schema(
    target="Loan_Approval",
    columns=(
        Column(name="Age", dtype="float", unit="years", minimum=18, maximum=69, missing=0.05, protected=True),
        Column(
            name="Annual_Income",
            dtype="float",
            unit="currency a year",
            minimum=30_000,
            maximum=200_000,
            missing=0.03,
            monotone=1,
        ),
        Column(
            name="Credit_Score",
            dtype="float",
            unit="points",
            minimum=300,
            maximum=850,
            missing=0.04,
            monotone=1,
        ),
        Column(
            name="Loan_Amount",
            dtype="float",
            unit="currency",
            minimum=5_000,
            maximum=50_000,
            missing=0.02,
            monotone=-1,
        ),
        Column(name="Loan_Duration_Years", dtype="integer", unit="years", minimum=1, maximum=30, monotone=-1),
        Column(
            name="Number_of_Open_Accounts",
            dtype="float",
            unit="count",
            minimum=0,
            maximum=15,
            missing=0.01,
            monotone=-1,
        ),
        Column(name="Had_Past_Default", dtype="integer", unit="0 or 1", minimum=0, maximum=1, monotone=-1),
    ),
)
