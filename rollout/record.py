"""What a rollout decided: an event on the InferenceService and a line of JSON, each with who, when and why."""

import socket
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
from kubernetes import client
from urllib3.exceptions import HTTPError

from rollout import events
from rollout.judgement import Judged
from rollout.workload import Workload
from tabular_model.audit import Result, operator
from tabular_model.audit import record as audit
from tabular_model.rollouts import Decision, Split

WARNINGS = ("RolledBack", "Stopped", "NotFit")


class JudgedDecision(Decision, frozen=True, omit_defaults=True, kw_only=True):
    """`judged` has the figures where there were any."""

    judged: Judged | None = None


def me() -> str:
    """Who runs this: the user and machine, or the pod."""
    return f"{operator()}@{socket.gethostname()}"


class Record:
    """Tells every decision to the cluster, to standard output as JSON, and to standard error as an audit line too."""

    def __init__(
        self, release: str, workload: Workload, namespace: str, core: Any, owner: dict[str, Any] | None = None
    ) -> None:
        """Events are about stable's InferenceService; before there is one, about `owner`, if it is given."""
        self._release = release
        self._workload = workload
        self._namespace = namespace
        self._core = core
        self._owner = owner

    def decided(self, event: str, before: Split, after: Split, why: str, judged: Judged | None = None) -> None:
        """Some events are warnings; if the cluster does not accept the event, standard error says so."""
        decision = JudgedDecision(
            event=event,
            who=me(),
            at=datetime.now(UTC),
            release=self._release,
            before=before,
            after=after,
            why=why,
            judged=judged,
        )
        result: Result = "failed" if event in WARNINGS else "done"
        audit("rollout", who=decision.who, what=f"{self._release}: {event}: {after}", result=result, why=why)
        print(f"{event}: {after}: {why}", file=sys.stderr, flush=True)
        print(msgspec.json.encode(decision).decode(), flush=True)
        try:
            self._tell_cluster(decision)
        except (client.ApiException, HTTPError) as error:  # it is decided all the same
            print(f"warning: the event was not written: {error}", file=sys.stderr)

    def _tell_cluster(self, decision: Decision) -> None:
        service = self._workload.service(self._workload.stable) or self._owner
        if service is None:
            return
        reference = {key: service["metadata"][key] for key in ("name", "namespace", "uid")}
        events.write(
            self._core,
            self._namespace,
            {"apiVersion": service["apiVersion"], "kind": service["kind"], **reference},
            "Warning" if decision.event in WARNINGS else "Normal",
            decision.event,
            f"{decision.who}: {decision.before} -> {decision.after}: {decision.why}",
            decision.at,
        )
