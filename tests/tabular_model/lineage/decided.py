"""Decisions of rollouts, as `rollout.record` writes them."""

from datetime import UTC, datetime, timedelta

from rollout.record import JudgedDecision
from tabular_model.rollouts import Decision, Split

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
ONLY_V1 = Split("v1", "", 0)


def decided(
    event: str, before: Split, after: Split, *, hours: float, release: str = "loans", who: str = "ann@pod"
) -> Decision:
    """After so many hours."""
    at = BEGAN + timedelta(hours=hours)
    return JudgedDecision(event=event, who=who, at=at, release=release, before=before, after=after, why="no worse")


ROLLED_OUT = [
    decided("Started", ONLY_V1, Split("v1", "v2", 0), hours=0),
    decided("Advanced", Split("v1", "v2", 0), Split("v1", "v2", 5), hours=1),
    decided("Advanced", Split("v1", "v2", 5), Split("v1", "v2", 50), hours=2),
    decided("Promoting", Split("v1", "v2", 50), Split("v2", "v2", 100), hours=3),
    decided("Settled", Split("v2", "v2", 100), Split("v2", "", 0), hours=4),
    decided("Promoted", Split("v2", "", 0), Split("v2", "", 0), hours=4),
]
