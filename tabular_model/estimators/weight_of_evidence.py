"""Monotone bins of one column and their weight of evidence.

The weight of evidence of a bin is ln((approved in it / all approved) / (rejected in it / all rejected)), with
`SMOOTHING` rows added to both counts (Siddiqi, "Intelligent Credit Scoring", 2nd ed., Wiley 2017). scikit-learn's own
monotone trees cut the bins: optbinning, which is made for it, brings six solvers.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

SMOOTHING = 0.5
FEWEST = 20  # values, for more than one bin

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Binning(NamedTuple):
    """The bins of one column and the weight of evidence of each, the bin of missing values last.

    A number is in the first bin whose edge it does not exceed, a category in that of its level in `bins`.
    """

    edges: Floats
    bins: NDArray[np.intp]
    evidence: Floats
    approved: Integers
    rejected: Integers

    def find(self, values: Floats) -> NDArray[np.intp]:
        """The bin of each value [n]."""
        missing = np.isnan(values)
        if len(self.bins):
            found = self.bins[np.where(missing, 0, values).astype(np.intp)]
        else:
            found = np.searchsorted(self.edges, values, side="left")
        return np.where(missing, len(self.evidence) - 1, found)

    def varies(self) -> bool:
        """Whether rows differ in their evidence."""
        return bool(np.ptp(self.evidence[self.approved + self.rejected > 0]) > 0)

    def information(self) -> float:
        """The information value: the sum over bins of (share of approved - share of rejected) * evidence."""
        shares = self.approved / self.approved.sum() - self.rejected / self.rejected.sum()
        return float(shares @ self.evidence)


@dataclass(frozen=True)
class Counts:
    """The distinct values of a column in rising order, missing ones last, and how many rows of each class have them."""

    values: Floats
    approved: Integers
    rejected: Integers

    @classmethod
    def of(cls, values: Floats, target: Integers) -> "Counts":
        """Of rows' values [n], NaN for missing, and their target [n] of 0 and 1."""
        return cls(values, target, 1 - target)._united()

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            np.concatenate([self.values, other.values]),
            np.concatenate([self.approved, other.approved]),
            np.concatenate([self.rejected, other.rejected]),
        )._united()

    @property
    def classes(self) -> tuple[Integers, Integers]:
        """The rows approved and those rejected."""
        return self.approved, self.rejected

    def present(self) -> "Counts":
        """Without the missing values."""
        there = ~np.isnan(self.values)
        return Counts(self.values[there], self.approved[there], self.rejected[there])

    def _united(self) -> "Counts":
        distinct, place = np.unique(self.values, return_inverse=True)
        return Counts(distinct, *(_summed(place, each, len(distinct)) for each in self.classes))


class Binner(NamedTuple):
    """Cuts columns into at most `most` bins, each of at least `share` of the values."""

    most: int
    share: float

    def number(self, values: Counts, direction: int) -> Binning:
        """Approvals rise from bin to bin with direction 1, fall with -1, and with 0 as tells more."""
        present = values.present()
        found = []
        for each in [direction] if direction else [1, -1]:
            edges = self._cuts(present, each)
            found.append(_counted(edges, np.empty(0, dtype=np.intp), values, len(edges) + 1))
        return max(found, key=Binning.information)

    def category(self, codes: Counts, levels: int) -> Binning:
        """The levels in the order of their share of approvals, cut as a number is; a level without rows is missing."""
        present = codes.present()
        level = present.values.astype(np.intp)
        approved, rejected = (_summed(level, each, levels) for each in present.classes)
        mean = codes.approved.sum() / (codes.approved.sum() + codes.rejected.sum())
        shares = (approved + mean) / (approved + rejected + 1)
        edges = self._cuts(Counts(shares[level], *present.classes), 1)
        bins = np.where(approved + rejected > 0, np.searchsorted(edges, shares), len(edges) + 1)
        return _counted(np.empty(0), bins, codes, len(edges) + 1)

    def _cuts(self, counts: Counts, direction: int) -> Floats:
        rows = np.concatenate([counts.approved, counts.rejected])
        if rows.sum() < FEWEST:
            return np.empty(0)
        tree = DecisionTreeClassifier(
            criterion="entropy",
            max_leaf_nodes=self.most,
            min_weight_fraction_leaf=self.share,
            monotonic_cst=[direction],
            random_state=0,
        ).fit(np.tile(counts.values, 2)[:, None], np.repeat([1, 0], len(counts.values)), sample_weight=rows)
        cuts: Floats = np.sort(tree.tree_.threshold[tree.tree_.feature >= 0])
        return cuts


def _counted(edges: Floats, bins: NDArray[np.intp], counts: Counts, count: int) -> Binning:
    """With the rows of each of `count` bins and that of missing values, and their evidence; that of no rows is 0."""
    none = np.zeros(0, dtype=np.int64)
    places = Binning(edges, bins, np.zeros(count + 1), none, none).find(counts.values)
    approved, rejected = (_summed(places, each, count + 1) for each in counts.classes)
    odds = (approved + SMOOTHING) / (rejected + SMOOTHING) * (rejected.sum() / approved.sum())
    return Binning(edges, bins, np.where(approved + rejected > 0, np.log(odds), 0.0), approved, rejected)


def _summed(places: NDArray[np.intp], counts: Integers, size: int) -> Integers:
    """The counts at each of `size` places."""
    return np.bincount(places, weights=counts, minlength=size).astype(np.int64)
