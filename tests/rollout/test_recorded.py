"""The judgement at the chart's thresholds, on traffic that a real server answered: false alarms, and what is found."""

import numpy as np
import pytest
from msgspec import convert

from rollout.judgement import Outcome, judge
from rollout.traffic import Traffic
from rollout.values import Judgement
from rollout.workload import Health
from tests.rollout.cluster import DEFAULTS
from tests.rollout.recording import plus, record

LIMITS = convert(DEFAULTS["rollout"]["judgement"], Judgement)
READY = Health(ready=True)
pytestmark = pytest.mark.timeout(300)  # it trains and serves first
RECORDED = 2000
RUNS = {500: 100, 2000: 100, 10_000: 20}
LOOKS = 30  # a step's, at the chart's stepSeconds and pollSeconds
# Name, how v2 differs, and the share of 500, 2 000 and 10 000 requests of each version that must find it.
SHIFTS = [
    ("identical", {}, (0, 0, 0)),
    ("5 points more approved", {"approves": 0.05}, (0, 0, 0)),
    ("10 points more approved", {"approves": 0.10}, (0, 0.9, 0.99)),
    ("15 points more approved", {"approves": 0.15}, (0.7, 0.99, 0.99)),
    ("5 % of requests fail", {"fails": 0.05}, (0.9, 0.99, 0.99)),
    ("3 times slower", {"slower": 3}, (0, 0, 0)),  # of a server that answers in less than latencyMargin
    ("50 times slower", {"slower": 50}, (0.99, 0.99, 0.99)),
]


@pytest.fixture(scope="module")
def recording(trained_registry):
    return record(trained_registry, RECORDED)


def is_worse(stable, canary):
    return judge(stable, canary, READY, LIMITS).outcome is Outcome.worse


def found(recording, rng, requests, runs, share=0.5, **how):
    """In how many of so many runs v2 is worse; `requests` are the canary's, which are this share of all."""
    others = round(requests * (1 - share) / share)
    return sum(is_worse(recording.draw(rng, others), recording.draw(rng, requests, **how)) for _ in range(runs))


@pytest.mark.parametrize("requests", [500, 2000, 10_000])
def test_an_identical_version_is_not_worse_in_twenty_runs(recording, requests):
    assert found(recording, np.random.default_rng(requests), requests, 20) == 0


@pytest.mark.parametrize("requests", [2000, 10_000])
def test_fifteen_points_more_approvals_are_found_in_twenty_of_twenty(recording, requests):
    assert found(recording, np.random.default_rng(requests), requests, 20, approves=0.15) == 20


def test_an_identical_version_is_not_worse_at_any_of_a_steps_looks(recording):
    rng, stable, canary = np.random.default_rng(0), Traffic(), Traffic()
    for _ in range(LOOKS):
        stable, canary = plus(stable, recording.draw(rng, 380)), plus(canary, recording.draw(rng, 20))
        assert not is_worse(stable, canary)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "how", "least"), SHIFTS, ids=[name for name, *_ in SHIFTS])
@pytest.mark.timeout(1800)
def test_power(recording, capsys, name, how, least):
    """The share that is found, where the canary takes half of the traffic and where it takes a twentieth."""
    rng = np.random.default_rng(0)
    cells = []
    for (requests, runs), needed in zip(RUNS.items(), least, strict=True):
        half, twentieth = (found(recording, rng, requests, runs, share, **how) / runs for share in (0.5, 0.05))
        cells += [f"{half:.1%}", f"{twentieth:.1%}"]
        assert min(half, twentieth) >= needed
        assert how or max(half, twentieth) <= 0.02
    with capsys.disabled():
        print(f"\n| {name} | {' | '.join(cells)} |")
