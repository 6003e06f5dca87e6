"""The adverse impact ratio, as evaluation, card and monitor compute it."""

import math

from tabular_model.metrics import DEVIATE, Estimate


def impact_ratio(approved: float, rows: float, of_approved: float, of_rows: float) -> Estimate:
    """The approval rate of a group, `approved` of `rows`, over that of the group it is compared with, and its interval.

    The interval is that of the logarithm of two groups named beforehand, see `log_ratio`, and always holds the ratio.
    The ratio is 1 where none of the other group is approved, and None of no rows.
    """
    if not (rows and of_rows):
        return Estimate(None, None, None)
    ratio = (approved / rows) / (of_approved / of_rows) if of_approved else 1.0
    log, error = log_ratio(approved, rows, of_approved, of_rows)
    low, high = (math.exp(log + side * DEVIATE * error) for side in (-1, 1))
    return Estimate(float(ratio), min(low, float(ratio)), max(high, float(ratio)))


def log_ratio(approved: float, rows: float, of_approved: float, of_rows: float) -> tuple[float, float]:
    """The logarithm of the ratio and its standard error (Katz et al., Biometrics 34, 1978).

    A half is added to the approved (Walter, Biometrika 62, 1975) and to the rejected of each group (Haldane, Annals of
    Human Genetics 20, 1956), so that a group of which none or all are approved has an interval too.
    """
    shares = [(yes + 0.5) / (of + 1) for yes, of in ((approved, rows), (of_approved, of_rows))]
    variance = sum(1 / (yes + 0.5) - 1 / (of + 1) for yes, of in ((approved, rows), (of_approved, of_rows)))
    return math.log(shares[0]) - math.log(shares[1]), math.sqrt(variance)
