"""Monotone bins of one column and their weight of evidence.

The weight of evidence of a bin is ln((approved in it / all approved) / (rejected in it / all rejected)), with
`SMOOTHING` rows added to both counts (Siddiqi, "Intelligent Credit Scoring", 2nd ed., Wiley 2017). scikit-learn's own
monotone trees cut the bins: optbinning, which is made for it, brings six solvers.
"""

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

    def information(self) -> float:
        """The information value: the sum over bins of (share of approved - share of rejected) * evidence."""
        shares = self.approved / self.approved.sum() - self.rejected / self.rejected.sum()
        return float(shares @ self.evidence)


class Binner(NamedTuple):
    """Cuts columns into at most `most` bins, each of at least `share` of the values."""

    most: int
    share: float

    def number(self, values: Floats, target: Integers, direction: int) -> Binning:
        """Of values [n]; approvals rise from bin to bin with direction 1, fall with -1, and with 0 as tells more."""
        present = ~np.isnan(values)
        found = []
        for each in [direction] if direction else [1, -1]:
            edges = self._cuts(values[present], target[present], each)
            found.append(_counted(edges, np.empty(0, dtype=np.intp), values, target, len(edges) + 1))
        return max(found, key=Binning.information)

    def category(self, codes: Floats, target: Integers, levels: int) -> Binning:
        """The levels in the order of their share of approvals, cut as a number is; a level without rows is missing."""
        present = ~np.isnan(codes)
        level = codes[present].astype(np.intp)
        rows = np.bincount(level, minlength=levels)
        shares = (np.bincount(level, weights=target[present], minlength=levels) + target.mean()) / (rows + 1)
        edges = self._cuts(shares[level], target[present], 1)
        bins = np.where(rows > 0, np.searchsorted(edges, shares), len(edges) + 1)
        return _counted(np.empty(0), bins, codes, target, len(edges) + 1)

    def _cuts(self, values: Floats, target: Integers, direction: int) -> Floats:
        if len(values) < FEWEST:
            return np.empty(0)
        tree = DecisionTreeClassifier(
            criterion="entropy",
            max_leaf_nodes=self.most,
            min_samples_leaf=self.share,
            monotonic_cst=[direction],
            random_state=0,
        ).fit(values[:, None], target)
        cuts: Floats = np.sort(tree.tree_.threshold[tree.tree_.feature >= 0])
        return cuts


def _counted(edges: Floats, bins: NDArray[np.intp], values: Floats, target: Integers, count: int) -> Binning:
    """With the rows of each of `count` bins and that of missing values, and their evidence; that of no rows is 0."""
    none = np.zeros(0, dtype=np.int64)
    places = Binning(edges, bins, np.zeros(count + 1), none, none).find(values)
    approved = np.bincount(places, weights=target, minlength=count + 1).astype(np.int64)
    rejected = np.bincount(places, minlength=count + 1) - approved
    odds = (approved + SMOOTHING) / (rejected + SMOOTHING) * (rejected.sum() / approved.sum())
    return Binning(edges, bins, np.where(approved + rejected > 0, np.log(odds), 0.0), approved, rejected)
