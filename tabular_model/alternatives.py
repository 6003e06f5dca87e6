"""Less discriminatory alternatives to a version: the same algorithm trained on fewer columns."""

import msgspec

from tabular_model.metrics import Estimate
from tabular_model.tradeoffs import Tradeoff, unbeaten


class Alternative(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was trained without the columns `left_out`; none are left out of the version itself.

    `auc` is that of the score, and `difference` what it is more than the version's on the same rows. `at` is the
    threshold that approves as many of the rows as the version.
    """

    left_out: tuple[str, ...]
    auc: Estimate
    difference: Estimate
    at: Tradeoff

    def ratio(self, column: str) -> float | None:
        """The lowest adverse impact ratio by a protected column; None where there are no groups to compare."""
        return self.at.lowest[column].ratio.value if column in self.at.lowest else None


class Alternatives(msgspec.Struct, frozen=True, kw_only=True):
    """The version and then its alternatives in the order of their training, judged on `rows` of the holdout.

    `reproduced` is the largest difference of the version's probabilities from those of the same training once more.
    `most` is how many trainings were allowed; `not_alone` are the columns that were too many to be
    left out alone.
    """

    rows: int
    most: int
    reproduced: float
    sets: tuple[Alternative, ...]
    not_alone: tuple[str, ...]

    def frontier(self, column: str) -> list[int]:
        """The places of the sets that no other beats in AUC or in the lowest ratio without losing in the other."""
        return unbeaten([(each.auc.value, each.ratio(column)) for each in self.sets])

    def fairer(self, column: str) -> list[int]:
        """The places of those of a higher lowest ratio than the version whose AUC was not shown to be lower."""
        own = self.sets[0].ratio(column)
        return [
            i
            for i, each in enumerate(self.sets)
            if own is not None
            and (each.ratio(column) or 0) > own
            and (each.difference.high is None or each.difference.high >= 0)
        ]
