"""The rollout itself: reads from the release where things stand, takes the next step, and looks again.

There is no other state. Whatever interrupts it, running it again goes on from what the release and the cluster say.
"""

import time
from collections.abc import Callable, Iterator
from typing import Protocol

import tenacity
from msgspec.structs import replace

from rollout.errors import Refused, RolledBack, Stopped
from rollout.judgement import Judged, Outcome, judge
from rollout.outages import is_outage, patiently
from rollout.record import Record, me
from rollout.registry_job import RegistryJob
from rollout.release import Release, Revision
from rollout.traffic import Snapshot, Source, Traffic
from rollout.workload import Health, Workload
from tabular_model.rollouts import Split

UPGRADE_ATTEMPTS = 3
UPGRADE_PAUSE_SECONDS = 5


class Watch(Protocol):
    """Follows a judgement while traffic comes in."""

    def __call__(self, split: Split, judged: Judged, seconds: float) -> None:
        """Called after each look at the traffic; `seconds` have passed since this split's judgement began."""


class Controller:
    """Moves one version of one release to all of the traffic, or back to none.

    `halt` ends it between two steps; the message of its error says where it stands.
    """

    def __init__(
        self,
        release: Release,
        workload: Workload,
        source: Source,
        registry: RegistryJob,
        record: Record,
        watch: Watch,
        halt: Callable[[], str],
    ) -> None:
        self._release = release
        self._workload = workload
        self._source = source
        self._registry = registry
        self._record = record
        self._watch = watch
        self._halt = halt
        self._stable_before: Traffic | None = None  # at the last step at which it took any

    def run(self, to: str) -> None:
        """Until `to` is stable and champion. RolledBack if it is worse, Stopped where it cannot tell or go on."""
        self._release.recover()
        target = self._fit(to)
        while (split := self._now().values.split).stable != target or split.canary:
            self._check_halt(split)
            self._check_free(split, target)
            if split.stable == target:
                self._settle(split)
            elif split.canary != target:
                self._set(
                    split,
                    Split(split.stable, target, 0),
                    "Started",
                    f"{target} passed the checks and can receive traffic",
                )
            else:
                self._advance(split)
        self._wait_for_stable(split)
        self._registry.promote(target, by=me(), reason="rollout: with all of the traffic it was no worse")
        self._record.decided("Promoted", split, split, f"{target} is stable, and champion in the registry")

    def plan(self, to: str) -> Iterator[str]:
        """What `run` would do from here, a sentence for each step; changes nothing."""
        revision = self._now()
        split, settings = revision.values.split, revision.values.rollout
        target = self._fit(to)
        self._check_free(split, target)
        if split.stable != target:
            if split.canary != target:
                split = Split(split.stable, target, 0)
                yield f"{split}: deploy {target} without traffic, and wait at most {settings.ready_seconds:g} s for it"
            while weight := _next_weight(split.weight, settings.steps):
                split = Split(split.stable, target, weight)
                yield (
                    f"{split}: judge for {settings.step_seconds:g} s and "
                    f"{settings.judgement.min_requests} requests of each, {settings.limit_seconds:g} s at most"
                )
            yield f"{target} becomes stable"
        yield f"{target} becomes champion in the registry, and the canary is removed"

    def abort(self, why: str = "requested manually") -> None:
        """Gives stable all of the traffic, and removes the canary."""
        self._release.recover()
        split = self._now().values.split
        if not split.canary:
            raise Refused(f"Nothing to abort: {split.stable} is stable, and there is no canary.")
        if split.canary == split.stable:
            raise Refused(f"{split.stable} is already stable. To return to another version, use `loan rollout --to`.")
        self._set(split, Split(split.stable, "", 0), "Aborted", why)

    def judge_once(self, revision: Revision, ago: float) -> Judged:
        """The canary against stable over the last `ago` seconds."""
        split, limits = revision.values.split, revision.values.rollout.judgement
        stable, canary = (
            Traffic.between(self._source.snapshot(each, ago), self._source.snapshot(each))
            for each in (split.stable, split.canary)
        )
        return judge(stable, canary, self._workload.health(self._workload.canary, split.canary), limits)

    def _fit(self, to: str) -> str:
        split = self._now().values.split
        return str(self._registry.check(to, against=split.stable)["version"])

    def _check_free(self, split: Split, target: str) -> None:
        if split.canary and split.canary != target and (split.weight or split.stable == split.canary):
            raise Refused(
                f"{split.canary} is already the canary ({split}); finish its rollout, or run `loan rollout abort`."
            )

    def _advance(self, split: Split) -> None:
        """From the present weight to the next, if the canary is ready and no worse."""
        self._wait_for_canary(split)
        why = f"{split.canary} is ready"
        judged = None
        revision = self._now()
        if back := self._step_before(revision):
            why = f"{split.stable} has too few requests for a comparison"
            self._set(split, replace(split, weight=back), "SteppedBack", why)
            return
        if split.weight or revision.values.canary.mirror:
            judged = self._judge(revision)
            why = judged.why
            if judged.outcome is Outcome.worse:
                self._roll_back(split, why, judged)
        weight = _next_weight(split.weight, revision.values.rollout.steps)
        if weight:
            self._set(split, Split(split.stable, split.canary, weight), "Advanced", why, judged)
        else:
            # One service has the version's pods already; of two, stable's get it while the canary serves.
            after = Split(split.canary, "", 0) if self._workload.is_one_service else replace(split, stable=split.canary)
            self._set(split, after, "Promoting", why, judged)

    def _settle(self, split: Split) -> None:
        """The canary, which has the traffic, waits until stable's pods are of its version; then it goes."""
        self._wait_for_stable(split)
        self._set(split, Split(split.stable, "", 0), "Settled", f"stable is {split.stable} and ready")

    def _wait_for_stable(self, split: Split) -> None:
        settings = self._now().values.rollout
        deadline = time.monotonic() + settings.ready_seconds
        while not (health := self._health(self._workload.stable, split.stable)).ready or health.old:
            if time.monotonic() > deadline:
                raise Stopped(
                    f"{split.stable} is not ready as stable after {settings.ready_seconds:g} s"
                    f"{f' ({health.reason})' if health.reason else ''}; the traffic was not moved. "
                    f"The rollout stopped at {split}."
                )
            self._pause(split, 1)

    def _wait_for_canary(self, split: Split) -> None:
        settings = self._now().values.rollout
        deadline = time.monotonic() + settings.ready_seconds
        while not (health := self._health(self._workload.canary, split.canary)).ready:
            if health.restarts > settings.judgement.restarts:
                self._roll_back(split, f"its pod restarted: {health.reason}")
            if time.monotonic() > deadline:
                self._roll_back(split, f"it is not ready after {settings.ready_seconds:g} s: {health.reason}")
            self._pause(split, min(1, settings.poll_seconds))

    def _judge(self, revision: Revision) -> Judged:
        """Watches the split until the canary is worse, or no worse for a whole step with enough traffic."""
        split, settings = revision.values.split, revision.values.rollout
        starts = self._snapshots(split)
        if split.weight == 100:
            starts = ({}, starts[1])  # stable takes none now, so at the worst all that its pods have done is taken
        began = time.monotonic()
        while True:
            self._pause(split, settings.poll_seconds)
            self._wait_for_canary(split)
            stable, canary = map(Traffic.between, starts, self._snapshots(split))
            if split.weight < 100:
                self._stable_before = stable
            health = self._health(self._workload.canary, split.canary)
            judged = judge(self._stable_before or stable, canary, health, settings.judgement)
            seconds = time.monotonic() - began
            self._watch(split, judged, seconds)
            if judged.outcome is Outcome.worse:
                return judged
            if judged.outcome is Outcome.fine and seconds >= settings.step_seconds:
                return judged
            if seconds >= settings.limit_seconds:
                why = f"{judged.why} in {seconds:.0f} s"
                self._record.decided("Stopped", split, split, why, judged)
                raise Stopped(f"{why}. The rollout stopped at {split}; run it again, or run `loan rollout abort`.")

    def _step_before(self, revision: Revision) -> int:
        """The step to go back to where stable takes no traffic and, after an interruption, has none to compare with."""
        split, settings = revision.values.split, revision.values.rollout
        if split.weight < 100 or self._stable_before or self._workload.is_one_service:
            return 0
        answered = Traffic.between({}, self._snapshots(split)[0]).requests
        return (
            0 if answered >= settings.judgement.min_requests else max((s for s in settings.steps if s < 100), default=0)
        )

    def _roll_back(self, split: Split, why: str, judged: Judged | None = None) -> None:
        # Of one service KServe takes a canary with all traffic for stable, so that only another revision leads back.
        gone = self._workload.is_one_service and split.weight == 100
        self._set(split, Split(split.stable, "" if gone else split.canary, 0), "RolledBack", why, judged)
        raise RolledBack(f"{split.canary} was rolled back at {split.weight} %: {why}. {split.stable} has all traffic.")

    def _set(self, before: Split, after: Split, event: str, why: str, judged: Judged | None = None) -> None:
        for attempt in tenacity.Retrying(
            stop=tenacity.stop_after_attempt(UPGRADE_ATTEMPTS),
            wait=tenacity.wait_fixed(UPGRADE_PAUSE_SECONDS),
            retry=tenacity.retry_if_exception(is_outage),
            reraise=True,
        ):
            with attempt:
                self._release.recover()
                self._release.upgrade(after, f"rollout {event}: {after}: {why}")
        self._record.decided(event, before, after, why, judged)

    def _now(self) -> Revision:
        return patiently(self._release.current)

    def _health(self, service: str, version: str) -> Health:
        return patiently(lambda: self._workload.health(service, version))

    def _snapshots(self, split: Split) -> tuple[Snapshot, Snapshot]:
        return patiently(lambda: (self._source.snapshot(split.stable), self._source.snapshot(split.canary)))

    def _pause(self, split: Split, seconds: float) -> None:
        """Waits; Stopped if asked to end meanwhile, or if the release says that somebody else moved the versions."""
        end = time.monotonic() + seconds
        while True:
            self._check_halt(split)
            if time.monotonic() >= end:
                break
            time.sleep(min(0.2, seconds))
        found = self._now().values.split
        if found != split:
            raise Stopped(f"Somebody else changed {split} to {found}, so this rollout ends here.")

    def _check_halt(self, split: Split) -> None:
        if reason := self._halt():
            raise Stopped(f"{reason}. The rollout stopped at {split}; run it again, or run `loan rollout abort`.")


def _next_weight(weight: int, steps: tuple[int, ...]) -> int:
    """The first step above the present weight; 0 after the last."""
    return min((step for step in steps if step > weight), default=0)
