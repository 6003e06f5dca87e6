"""Two versions judged over one window, for a platform that moves the traffic itself."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from rollout.errors import Refused
from rollout.evidence import Evidence
from rollout.judgement import Judged, Outcome, judge
from rollout.traffic import Snapshot, Traffic
from rollout.values import Judgement
from rollout.workload import Health

_VERSION = re.compile(r"v[1-9]\d*")


class Versions(NamedTuple):
    """The two that are compared."""

    stable: str
    canary: str

    @classmethod
    def of(cls, stable: str, canary: str) -> "Versions":
        """Refused unless these are two versions."""
        for role, version in (("stable", stable), ("canary", canary)):
            if not _VERSION.fullmatch(version):
                raise Refused(f"{role} must be a version such as v1, not {version!r}.")
        if stable == canary:
            raise Refused(f"stable and canary are both {stable}; give two different versions.")
        return cls(stable, canary)


class Span(msgspec.Struct, frozen=True):
    """From when to when the requests were answered, and how many seconds that are."""

    start: datetime
    end: datetime
    seconds: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A judgement with all that it rests on; `not_judged` says of each check that was left out why it was."""

    verdict: Outcome
    why: str
    stable: str
    canary: str
    window: Span
    judged: Judged
    not_judged: dict[str, str]
    thresholds: Judgement


class Window:
    """Looks back `since` seconds, and where that tells too little, waits up to `patience` seconds for more requests.

    A source that keeps no history is watched for `since` seconds instead. A canary that is worse is so at once.
    """

    def __init__(self, evidence: Evidence, limits: Judgement, *, since: float, patience: float, pause: float) -> None:
        self._evidence = evidence
        self._limits = limits
        self._since = since
        self._patience = patience
        self._pause = pause

    def judge(self, versions: Versions, watch: Callable[[Judged, float], None]) -> Report:
        """`watch` is called after each look that does not end it, with the seconds that the window has by then.

        ClusterError or ApiException where there are no figures.
        """
        before = self._since if self._evidence.keeps_history else 0
        began = time.monotonic()
        starts = self._snapshots(versions, before)
        while True:
            health = self._health(versions.canary)
            stable, canary = map(Traffic.between, starts, self._snapshots(versions))
            judged = judge(stable, canary, health, self._limits)
            seconds = before + time.monotonic() - began
            left = self._since - seconds
            if left <= 0 and judged.outcome is Outcome.unsure:
                left += self._patience
            if judged.outcome is Outcome.worse or left <= 0:
                return self._report(versions, judged, seconds, health)
            watch(judged, seconds)
            time.sleep(min(self._pause, left))

    def _snapshots(self, versions: Versions, ago: float = 0) -> tuple[Snapshot, Snapshot]:
        source = self._evidence.source
        return source.snapshot(versions.stable, ago), source.snapshot(versions.canary, ago)

    def _health(self, version: str) -> Health | None:
        """None where no pod of the version is known."""
        workload = self._evidence.workload
        health = workload.health(workload.canary, version) if workload else None
        return health if health and health.pods else None

    def _report(self, versions: Versions, judged: Judged, seconds: float, health: Health | None) -> Report:
        end = datetime.now(UTC)
        unknown = f"no pod of {versions.canary} was found" if self._evidence.workload else "its pods are not known"
        return Report(
            verdict=judged.outcome,
            why=judged.why,
            stable=versions.stable,
            canary=versions.canary,
            window=Span(end - timedelta(seconds=seconds), end, round(seconds, 3)),
            judged=judged,
            not_judged={} if health else {"restarts": unknown},
            thresholds=self._limits,
        )
