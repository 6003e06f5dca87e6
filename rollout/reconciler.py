"""The controller's loop: what is wanted against what runs, again and again, until the two are one."""

import time
from collections.abc import Callable

from rollout.conditions import Condition, Conditions
from rollout.controller import Controller
from rollout.declared_release import DeclaredRelease
from rollout.errors import ClusterError, Refused, RolledBack, Stopped
from rollout.outages import cluster_errors
from rollout.record import Record, me
from rollout.registry_job import RegistryJob
from tabular_model.rollouts import Split

LOOK_SECONDS = 1  # between two looks at the values during a step
RETRY_SECONDS = 30  # between two looks at a version that is not fit, or not there yet

MakeController = Callable[[Callable[[], str]], Controller]


class Reconciler:
    """Moves a declared release to the version that its values name, by the same steps as `loan rollout --to`.

    A version that was rolled back is not tried again until the values name another one. `halt` gives the reason to
    end, `make` a controller that ends between two steps once its own halt gives one.
    """

    def __init__(
        self,
        release: DeclaredRelease,
        make: MakeController,
        registry: RegistryJob,
        record: Record,
        conditions: Conditions,
        halt: Callable[[], str],
    ) -> None:
        self._release = release
        self._make = make
        self._registry = registry
        self._record = record
        self._conditions = conditions
        self._halt = halt
        self._said: Condition | None = None

    def run(self) -> None:
        """Until it is to halt; an outage of the cluster is told and waited out."""
        while not self._halt():
            pause = float(RETRY_SECONDS)
            try:
                with cluster_errors():
                    pause = self._turn()
            except ClusterError as error:
                print(f"warning: {error}", flush=True)
            self._wait(pause)

    def _turn(self) -> float:
        """One step, and the condition that it leads to; returns the seconds to wait after it."""
        poll_seconds = float(RETRY_SECONDS)
        try:
            poll_seconds = self._release.current().values.rollout.poll_seconds
            self._conditions.write(self.step())
        except Refused as error:
            self._refuse(str(error))
            return max(poll_seconds, RETRY_SECONDS)
        except Stopped as error:
            self._conditions.write(Condition("Unknown", "Waiting", str(error)))
        return poll_seconds

    def step(self) -> Condition:
        """Takes up the wanted version, and says where that ended. Refused, Stopped or ClusterError where it did not."""
        declared = self._release.declaration()
        if declared is None or not declared.version:
            return Condition("Unknown", "NothingWanted", "The value `version` names no version.")
        self._release.recover()
        state = self._release.state()
        wanted, split = declared.version, state.split
        if not split.stable:
            return self._install(wanted)
        if split.canary == split.stable:
            self._roll_out(split.stable)  # it is stable but for the last step
            split = self._release.state().split
        if split.canary not in ("", wanted):
            self._make(self._halt).abort(f"the wanted version is {wanted}")
        if wanted == split.stable:
            self._release.reject("")
            return Condition("True", "RolledOut", f"{wanted} is stable.")
        if wanted == state.rejected:
            return self._conditions.read() or Condition("False", "RolledBack", f"{wanted} was rolled back.")
        self._conditions.write(Condition("Unknown", "Progressing", f"From {split.stable} to {wanted}."))
        return self._roll_out(wanted)

    def _install(self, wanted: str) -> Condition:
        """The first version, which there is nothing to compare with."""
        self._registry.check(wanted, against=wanted)
        after = Split(wanted, "", 0)
        self._release.upgrade(after, f"rollout Installed: {after}: nothing was served before")
        self._registry.promote(wanted, by=me(), reason="rollout: the first version that is served")
        self._record.decided("Installed", Split("", "", 0), after, "nothing was served before")
        return Condition("True", "RolledOut", f"{wanted} is stable.")

    def _roll_out(self, version: str) -> Condition:
        controller = self._make(Halt(self._halt, self._release))
        try:
            controller.run(version)
        except RolledBack as error:
            self._release.reject(version)
            if self._release.state().split.canary:
                controller.abort(f"{version} was rolled back")
            return Condition("False", "RolledBack", str(error))
        return Condition("True", "RolledOut", f"{version} is stable.")

    def _refuse(self, why: str) -> None:
        condition = Condition("False", "NotFit", why)
        if self._said != condition:
            split = self._release.state().split
            self._record.decided("NotFit", split, split, why)
            self._said = condition
        self._conditions.write(condition)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._halt():
            time.sleep(min(0.2, seconds))


class Halt:
    """Says why to end a rollout between two steps: the caller's reason, or that the values have changed."""

    def __init__(self, halt: Callable[[], str], release: DeclaredRelease) -> None:
        self._halt = halt
        self._release = release
        self._began_with = release.declaration()
        self._looked = time.monotonic()

    def __call__(self) -> str:
        """An empty reason means to go on."""
        if reason := self._halt():
            return reason
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return ""
        self._looked = time.monotonic()
        try:
            with cluster_errors():
                return "" if self._release.declaration() == self._began_with else "The values have changed"
        except ClusterError:  # an outage is no change
            return ""
