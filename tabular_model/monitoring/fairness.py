"""Whether the groups that the law protects are approved alike."""

from itertools import groupby
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from tabular_model.evaluate import FEWEST
from tabular_model.metrics import Estimate
from tabular_model.monitoring.findings import Check, Checked
from tabular_model.monitoring.formulas import Shift, impact, mean_difference
from tabular_model.monitoring.limits import Limits
from tabular_model.monitoring.tally import Counter, Tally
from tabular_model.shares import Count, share_interval


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The applicants of one group; each estimate has its 95 % interval.

    `adverse_impact_ratio` is its approval rate over that of the group `compared_with`, the highest of a group of 30
    rows or more; `standardised_mean_difference` that of their scores, below 0 if this group's are lower. Both are
    absent for the group that the others are compared with, and where there is none.
    """

    group: str
    rows: int
    approval_rate: Estimate
    compared_with: str | None = None
    adverse_impact_ratio: Estimate | None = None
    standardised_mean_difference: Estimate | None = None


class _Sums(NamedTuple):
    """Of a group: rows, approved, sum of scores, sum of their squares."""

    name: str
    sums: NDArray[np.float64]

    @property
    def approved(self) -> Count:
        return Count(int(self.sums[1]), int(self.sums[0]))

    @property
    def scores(self) -> NDArray[np.float64]:
        """Rows, sum and sum of squares."""
        return self.sums[[0, 2, 3]]


def fairness(counter: Counter, tally: Tally, limits: Limits) -> tuple[dict[str, list[Group]], list[Checked]]:
    """By protected column the groups that have rows, and the tests of their approval rates; none if not recorded."""
    columns: dict[str, list[Group]] = {}
    tests: list[Checked] = []
    named = zip(counter.groups, tally.groups, strict=True)
    for column, of_column in groupby(named, lambda each: each[0][0]):
        sums = [_Sums(name, found) for (_, name), found in of_column if found[0]]
        best = max((each for each in sums if each.approved.rows >= FEWEST), key=_rate, default=None)
        for each in sums:
            group, tested = _group(each, best, sums)
            columns.setdefault(column, []).append(group)
            if tested:
                tests.append(_checked(column, group, tested, limits))
    return columns, tests


def _group(group: _Sums, best: _Sums | None, every: list[_Sums]) -> tuple[Group, Shift | None]:
    alone = Group(group=group.name, rows=group.approved.rows, approval_rate=share_interval(group.approved))
    if best is None or best is group:
        return alone, None
    ratio, tested = impact(group.approved, best.approved, len(every))
    of_all: NDArray[np.float64] = np.sum([each.scores for each in every], axis=0)
    difference = mean_difference(group.scores, best.scores, of_all)
    compared = msgspec.structs.replace(
        alone, compared_with=best.name, adverse_impact_ratio=ratio, standardised_mean_difference=difference
    )
    return compared, tested


def _checked(column: str, group: Group, tested: Shift, limits: Limits) -> Checked:
    ratio = 1 - tested.change
    sentence = (
        f"{column}: {group.group} is approved {ratio:.2f} times as often as {group.compared_with}, which is approved "
        "most often."
    )
    subject = f"{column}: {group.group}"
    return Checked(Check.adverse_impact, subject, ratio, 1.0, 1 - limits.four_fifths, tested, sentence)


def _rate(group: _Sums) -> float:
    return group.approved.share
