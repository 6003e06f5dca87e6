"""The first pass over the rows: how many there are, and whether they can be trained on."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from tabular_model.declaration import Declaration
from tabular_model.errors import DataError
from tabular_model.totals import Added
from training_job.data import WRONG_SHARE, beyond, check_enough, not_of, outside_note
from training_job.out_of_core.table import Block

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Extremes:
    """The least and the greatest value of each column [columns], NaN of none."""

    least: Floats
    greatest: Floats

    def __add__(self, other: "Extremes") -> "Extremes":
        return Extremes(np.fmin(self.least, other.least), np.fmax(self.greatest, other.greatest))


@dataclass(frozen=True)
class Days:
    """The days of rows [k], rising, and how many rows each has."""

    days: NDArray[np.datetime64]
    rows: Integers

    def __add__(self, other: "Days") -> "Days":
        days, place = np.unique(np.concatenate([self.days, other.days]), return_inverse=True)
        return Days(days, np.bincount(place, np.concatenate([self.rows, other.rows])).astype(np.int64))

    def starts(self, parts: int) -> NDArray[np.datetime64]:
        """The first days of at most `parts` parts of about equally many rows."""
        places = np.searchsorted(self.rows.cumsum(), np.arange(parts) * self.rows.sum() / parts, side="right")
        return np.unique(self.days[places])

    def newest(self, share: float) -> np.datetime64:
        """The day from which on are about this share of the rows; DataError where no row is older."""
        place = int(np.searchsorted(self.rows.cumsum(), (1 - share) * self.rows.sum(), side="right"))
        if place == 0:
            raise DataError("The oldest day has too many rows: none would be older than the holdout.")
        return cast(np.datetime64, self.days[place])

    def since(self, day: np.datetime64) -> "Days":
        """From that day on."""
        later = self.days >= day
        return Days(self.days[later], self.rows[later])


@dataclass(frozen=True)
class Survey(Added):
    """Counts of all rows, of those rejected and approved [2], and by column [columns] of values.

    `outside` are the values out of range, `wrong` those that do not belong to the column; `alone` the rows without a
    group.
    """

    rows: int
    classes: Integers
    present: Integers
    outside: Integers
    wrong: Integers
    alone: int
    extremes: Extremes
    days: Days

    def check(self, source: str, declaration: Declaration) -> list[str]:
        """Sentences on what looks wrong; DataError for what cannot be trained on."""
        check_enough(source, self.present, self.classes, declaration)
        notes = []
        for index, column in enumerate(declaration.columns):
            if self.wrong[index] > WRONG_SHARE * self.rows:
                least, greatest = self.extremes.least[index], self.extremes.greatest[index]
                worst = least if column.minimum - least > greatest - column.maximum else greatest
                raise not_of(column, source, worst, self.wrong[index] / self.rows)
            notes += outside_note(column, int(self.outside[index]))
        if self.alone:
            notes.append(f"{self.alone} rows have no {declaration.group}; each is treated as a group of one row.")
        return notes


@dataclass(frozen=True)
class Surveyed:
    """Counts a part of the rows."""

    declaration: Declaration

    def __call__(self, block: Block) -> Survey:
        """Of one row or more."""
        matrix = block.matrix
        pairs = [beyond(column, matrix[:, index]) for index, column in enumerate(self.declaration.columns)]
        outside, wrong = (np.array([int(each.sum()) for each in found]) for found in zip(*pairs, strict=True))
        days = np.empty(0, "datetime64[D]") if block.times is None else block.times.astype("datetime64[D]")
        return Survey(
            rows=len(matrix),
            classes=np.bincount(block.target, minlength=2),
            present=(~np.isnan(matrix)).sum(axis=0),
            outside=outside,
            wrong=wrong,
            alone=block.alone,
            extremes=Extremes(np.fmin.reduce(matrix), np.fmax.reduce(matrix)),
            days=Days(*np.unique(days, return_counts=True)),
        )
