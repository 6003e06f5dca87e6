"""A finding is beyond chance and beyond its limit; too little data to tell is another answer."""

import math

import pytest

from tabular_model.errors import ModelError
from tabular_model.monitoring.findings import Check, Checked, Outcome, checks, corrected
from tabular_model.monitoring.formulas import Shift
from tabular_model.monitoring.limits import Limits


def outcome(change, p_value, critical, others=0):
    tests = [Checked(Check.drift, "Income", change, 0, 0.1, Shift(change, p_value, lambda _: critical), "It is so.")]
    tests += [Checked(Check.drift, "Age", 0, 0, 0.1, Shift(0, 1, lambda _: 0.01), "It is not so.")] * others
    return corrected(tests, 0.05)[0].outcome


def test_only_what_is_beyond_chance_and_beyond_the_limit_is_found():
    assert outcome(0.2, 0.001, 0.05) is Outcome.found
    assert outcome(0.09, 0.001, 0.05) is Outcome.fine
    assert outcome(0.2, 0.5, 0.3) is Outcome.unsure
    assert outcome(0.0, 1.0, 0.3) is Outcome.unsure
    assert outcome(0.0, 1.0, math.inf) is Outcome.unsure


def test_the_more_is_tested_the_surer_a_finding_must_be():
    assert outcome(0.2, 0.004, 0.05, others=9) is Outcome.found
    assert outcome(0.2, 0.004, 0.05, others=19) is Outcome.fine


def test_no_critical_value_is_no_number():
    (found,) = corrected([Checked(Check.drift, "x", 0, 0, 0.1, Shift(0, 1, lambda _: math.inf), "")], 0.05)
    assert found.critical is None


def test_findings_are_named():
    assert checks("--fail-on", "") == set()
    assert checks("--fail-on", "drift, adverse-impact") == {Check.drift, Check.adverse_impact}
    assert checks("--fail-on", "any") == set(Check)
    with pytest.raises(
        ModelError, match="--fail-on has no finding drfit; the findings are drift, score-drift, missing"
    ):
        checks("--fail-on", "drfit")


def test_limits_are_named_and_checked():
    assert Limits.of({"psi": "0.25"}) == Limits(psi=0.25)
    with pytest.raises(ModelError, match="Unknown limit psy; the limits are significance, psi"):
        Limits.of({"psy": "0.25"})
    for value in ("much", "nan", "0", "1", "-1"):
        with pytest.raises(ModelError, match=f"The limit psi is {value}; it must be"):
            Limits.of({"psi": value})
