"""From a release's name to the objects that a rollout works with."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubernetes import client, config
from rich.console import Group

from rollout import view
from rollout.conditions import Conditions
from rollout.controller import Controller, Watch
from rollout.declared_release import DeclaredRelease
from rollout.errors import Refused
from rollout.helm_release import HelmRelease
from rollout.lease import SECONDS, Lease
from rollout.objects import INSTANCE, KINDS
from rollout.ownership import applied_by
from rollout.reconciler import Reconciler
from rollout.record import Record, me
from rollout.registry_job import RegistryJob
from rollout.release import Release
from rollout.sources import PodSource, PrometheusSource
from rollout.traffic import Source
from rollout.values import Judgement
from rollout.workload import KnativeWorkload, Workload

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Connection:
    """A release in a cluster: the one that this pod runs in, else the one that kubectl points at.

    `chart` is the folder of the chart's templates, which a release with a controller needs to be changed. Refused if
    there is no such release, or if it serves nothing yet.
    """

    def __init__(self, name: str, namespace: str, context: str | None, chart: Path = Path()) -> None:
        api, here = connect(context)
        self._api = api
        self._name = name
        self._namespace = namespace or here
        self._core: Any = client.CoreV1Api(api)
        self._custom: Any = client.CustomObjectsApi(api)
        self._declared = DeclaredRelease(name, self._namespace, api, chart)
        self._declaration = self._declared.declaration()
        self._release: Release = self._declared if self._declaration else self._helm_release(context)
        self._revision = self._release.current()
        if not self._revision.service:
            raise Refused(f"The release {name} serves no version yet; set stable.version first.")
        kind = KnativeWorkload if self._revision.values.mode == "Knative" else Workload
        self._workload = kind(self._revision.service, self._namespace, self._core, self._custom)

    def check_owner(self) -> None:
        """Refused where a controller decides what runs, because it would undo what a command changes."""
        if self._declaration:
            raise Refused(
                f"The controller {self._declaration.name} decides what the release {self._name} runs, so nothing was "
                "changed. Set the value `version` where the release's values are kept, such as in Git."
            )
        if tool := applied_by((self._workload.service(self._workload.stable) or {}).get("metadata", {})):
            raise Refused(_applied(self._name, tool))

    def controller(self, watch: Watch, halt: Callable[[], str]) -> Controller:
        """It calls `watch` after each look at the traffic, and stops once `halt` gives a reason that is not empty."""
        return Controller(self._release, self._workload, self._source(), self._registry(), self._record(), watch, halt)

    def reconciler(self, watch: Watch, halt: Callable[[], str]) -> Reconciler:
        """Refused unless the release has `rollout.controller.enabled`."""
        if not self._declaration:
            raise Refused(f"The release {self._name} has no controller: set rollout.controller.enabled in its values.")
        return Reconciler(
            self._declared,
            lambda halt: Connection(self._name, self._namespace, None, self._declared.chart).controller(watch, halt),
            self._registry(),
            self._record(),
            Conditions(self._workload, self._namespace, self._custom),
            halt,
        )

    def lease(self, wait: bool = False) -> Lease:
        """Not taken until it is entered with `with`; its holder is named by user, host and process id.

        With `wait` another holder, which may be dead, has the time of two leases to end.
        """
        name, holder = f"{self._revision.service}-rollout", f"{me()}, process {os.getpid()}"
        api = client.CoordinationV1Api(self._api)
        return Lease(name, self._namespace, holder, api, patience=2 * SECONDS if wait else 0)

    def status(self) -> Group:
        """Judged over the time since the last change, where the metrics reach back."""
        split = self._revision.values.split
        stable = self._workload.health(self._workload.stable, split.stable)
        if not split.canary:
            return view.status(self._release.name, self._revision, stable, None, None)
        canary = self._workload.health(self._workload.canary, split.canary)
        ago = (datetime.now(UTC) - self._revision.updated).total_seconds()
        judged = self.controller(lambda *_: None, str).judge_once(self._revision, ago)
        return view.status(self._release.name, self._revision, stable, canary, judged)

    def evidence(self) -> tuple[Judgement, Workload, Source]:
        """The release's thresholds, its pods, and where their counters are read."""
        return self._revision.values.rollout.judgement, self._workload, self._source()

    def _helm_release(self, context: str | None) -> HelmRelease:
        release = HelmRelease(self._name, self._namespace, context, self._core)
        try:
            release.revisions()
        except Refused:
            self._check_applied()
            raise
        return release

    def _check_applied(self) -> None:
        """Refused, with the name of the tool, where the objects are there but not by Helm."""
        group, version, plural = KINDS["InferenceService"]
        selector = f"{INSTANCE}={self._name}"
        found = self._custom.list_namespaced_custom_object(
            group, version, self._namespace, plural, label_selector=selector
        )["items"]
        if found:
            tool = applied_by(found[0]["metadata"]) or "a tool that keeps no Helm release"
            raise Refused(_applied(self._name, tool))

    def _registry(self) -> RegistryJob:
        return RegistryJob(self._revision.service, self._namespace, client.BatchV1Api(self._api), self._core)

    def _record(self) -> Record:
        owner = None
        if self._declaration:
            metadata = {"name": self._declaration.name, "namespace": self._namespace, "uid": self._declaration.uid}
            owner = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        return Record(self._name, self._workload, self._namespace, self._core, owner)

    def _source(self) -> Source:
        prometheus = self._revision.values.rollout.prometheus
        if prometheus.url:
            return PrometheusSource(prometheus.url, {"namespace": self._namespace, **prometheus.labels})
        return PodSource(self._workload, self._namespace, self._core, bool(self._revision.values.tls.secret_name))


def _applied(release: str, tool: str) -> str:
    return (
        f"{tool} applies the release {release} and would undo a rollout by this command, so nothing was changed. "
        "Set rollout.controller.enabled, and the version as the value `version`; docs/gitops.md says how."
    )


def connect(context: str | None) -> tuple[client.ApiClient, str]:
    """A client, and the namespace that is meant where none is named."""
    if not context and SERVICE_ACCOUNT.exists():
        config.load_incluster_config()  # type: ignore[no-untyped-call]
        return client.ApiClient(), (SERVICE_ACCOUNT / "namespace").read_text()
    try:
        api = config.new_client_from_config(context=context)  # type: ignore[no-untyped-call]
        contexts, current = config.list_kube_config_contexts()  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        raise Refused(f"No cluster was found: {error}") from error
    chosen = next((each for each in contexts if each["name"] == context), current)
    return api, chosen["context"].get("namespace", "default")
