"""From tests to findings: what is beyond chance and beyond its limit, corrected for how many were made."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec
import numpy as np

from tabular_model.errors import ModelError
from tabular_model.monitoring.formulas import Shift, holm


class Check(StrEnum):
    """What a version is watched for."""

    drift = "drift"
    score_drift = "score-drift"
    missing = "missing"
    out_of_range = "out-of-range"
    approval = "approval"
    adverse_impact = "adverse-impact"
    discrimination = "discrimination"
    calibration = "calibration"


class Outcome(StrEnum):
    """`found`: changed beyond chance and beyond the limit. `fine`: not so.

    `unsure`: too little data to tell, because chance alone may pass the limit.
    """

    found = "found"
    unsure = "unsure"
    fine = "fine"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One check of one subject: a column, the score, the approvals, a group, or the outcomes of a vintage.

    `value` is what was found and `expected` what the version's reference or holdout has, absent where the rows do not
    determine them. `change` is how far they are
    apart in the direction that counts, and is held against `limit`; `critical` is the change that chance passes with
    the probability `significance` over the number of tests, absent where the rows are too few for any.
    `adjusted_p_value` is Holm's.
    """

    check: Check
    subject: str
    value: float | None
    expected: float | None
    change: float
    limit: float
    critical: float | None
    p_value: float
    adjusted_p_value: float
    outcome: Outcome
    sentence: str


class Checked(NamedTuple):
    """A check before the correction; `sentence` says what was found."""

    check: Check
    subject: str
    value: float | None
    expected: float | None
    limit: float
    tested: Shift
    sentence: str


def corrected(tests: Sequence[Checked], significance: float) -> list[Finding]:
    """A finding for each test of one version in one window."""
    adjusted = holm(np.array([each.tested.p_value for each in tests]))
    return [_finding(test, float(p), significance, len(tests)) for test, p in zip(tests, adjusted, strict=True)]


def _finding(test: Checked, adjusted: float, significance: float, tests: int) -> Finding:
    change, p_value, critical = test.tested
    passed_by_chance = critical(significance / tests)
    if change > test.limit and adjusted < significance:
        outcome = Outcome.found
    else:
        outcome = Outcome.unsure if passed_by_chance > test.limit else Outcome.fine
    return Finding(
        check=test.check,
        subject=test.subject,
        value=test.value,
        expected=test.expected,
        change=change,
        limit=test.limit,
        critical=passed_by_chance if np.isfinite(passed_by_chance) else None,
        p_value=p_value,
        adjusted_p_value=adjusted,
        outcome=outcome,
        sentence=test.sentence,
    )


def checks(option: str, words: str) -> set[Check]:
    """The checks that an option names, parted by commas; `any` is all. ModelError for another name."""
    named = {word.strip() for word in words.split(",")} - {""}
    known = {each.value for each in Check}
    for word in sorted(named - known - {"any"}):
        raise ModelError(f"{option} has no finding {word}; the findings are {', '.join(Check)}, or any for all.")
    return set(Check) if "any" in named else {Check(word) for word in named}
