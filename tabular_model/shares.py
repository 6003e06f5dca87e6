"""Shares of rows that are counted."""

from typing import NamedTuple

from scipy import stats

from tabular_model.metrics import Estimate


class Count(NamedTuple):
    """`yes` of `rows`."""

    yes: int
    rows: int

    @property
    def share(self) -> float:
        """0 of no rows."""
        return self.yes / self.rows if self.rows else 0.0


def share_interval(count: Count) -> Estimate:
    """A share with Wilson's interval (Journal of the American Statistical Association 22, 1927)."""
    if not count.rows:
        return Estimate(None, None, None)
    found = stats.binomtest(*count).proportion_ci(0.95, "wilson")
    return Estimate(count.share, float(found.low), float(found.high))
