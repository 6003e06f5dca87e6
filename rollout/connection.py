"""From a release's name to the objects that a rollout works with."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubernetes import client, config
from rich.console import Group

from rollout import view
from rollout.controller import Controller, Watch
from rollout.errors import Refused
from rollout.lease import Lease
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

    Refused if there is no such release, or if it serves nothing yet.
    """

    def __init__(self, name: str, namespace: str, context: str | None) -> None:
        api, here = connect(context)
        self._namespace = namespace or here
        self._core: Any = client.CoreV1Api(api)
        self._api = api
        self._release = Release(name, self._namespace, context, self._core)
        self._revision = self._release.current()
        if not self._revision.service:
            raise Refused(f"The release {name} serves no version yet; set stable.version first.")
        kind = KnativeWorkload if self._revision.values.mode == "Knative" else Workload
        self._workload = kind(self._revision.service, self._namespace, self._core, client.CustomObjectsApi(api))

    def controller(self, watch: Watch, halt: Callable[[], str]) -> Controller:
        """It calls `watch` after each look at the traffic, and stops once `halt` gives a reason that is not empty."""
        return Controller(
            self._release,
            self._workload,
            self._source(),
            RegistryJob(self._revision.service, self._namespace, client.BatchV1Api(self._api), self._core),
            Record(self._release.name, self._workload, self._namespace, self._core),
            watch,
            halt,
        )

    def lease(self) -> Lease:
        """Not taken until it is entered with `with`; its holder is named by user, host and process id."""
        name = f"{self._revision.service}-rollout"
        return Lease(name, self._namespace, f"{me()}, process {os.getpid()}", client.CoordinationV1Api(self._api))

    def status(self) -> Group:
        """Judged over the time since Helm's last change, where the metrics reach back."""
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

    def _source(self) -> Source:
        prometheus = self._revision.values.rollout.prometheus
        if prometheus.url:
            return PrometheusSource(prometheus.url, {"namespace": self._namespace, **prometheus.labels})
        return PodSource(self._workload, self._namespace, self._core, bool(self._revision.values.tls.secret_name))


def connect(context: str | None) -> tuple[client.ApiClient, str]:
    """A client, and the namespace that is meant where none is named."""
    if not context and SERVICE_ACCOUNT.exists():
        config.load_incluster_config()  # type: ignore[no-untyped-call]
        return client.ApiClient(), (SERVICE_ACCOUNT / "namespace").read_text()
    try:
        api = config.new_client_from_config(context=context)  # type: ignore[no-untyped-call]
        contexts, current = config.list_kube_config_contexts()  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        raise Refused(f"No cluster to roll out on: {error}") from error
    chosen = next((each for each in contexts if each["name"] == context), current)
    return api, chosen["context"].get("namespace", "default")
