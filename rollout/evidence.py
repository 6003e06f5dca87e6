"""Where the figures and the pods of two versions are found, for a judgement without a rollout."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kubernetes import client

from rollout.connection import Connection, connect
from rollout.errors import Refused
from rollout.sources import PodSource, PrometheusSource
from rollout.traffic import Source
from rollout.values import Judgement
from rollout.workload import Workload


class Evidence(NamedTuple):
    """`workload` is None where nobody names the pods, `limits` where no release has thresholds."""

    source: Source
    workload: Workload | None = None
    limits: Judgement | None = None

    @property
    def keeps_history(self) -> bool:
        """Whether the source can say how the counters stood some time ago."""
        return isinstance(self.source, PrometheusSource)


class SelectedPods(Workload):
    """The pods that a label selector finds, whoever made them: a Deployment, or a Rollout of Argo's."""

    def __init__(self, selector: str, namespace: str, core: Any) -> None:
        super().__init__(selector, namespace, core, None)
        self.canary = selector
        self._services = [selector]

    def _selector(self, service: str) -> str:
        return service

    def _condition(self, service: str) -> tuple[bool, str]:  # noqa: ARG002 - no object says so, the pods do
        return True, ""


def find(
    *, prometheus: str, labels: Mapping[str, str], selector: str, release: str, namespace: str, context: str
) -> Evidence:
    """Figures of Prometheus if it is named, else of the release or the pods; Refused if nothing is, or too much."""
    if not (prometheus or selector or release):
        raise Refused("Choose the source of the figures: --prometheus URL, --selector LABELS or --release NAME.")
    if release and selector:
        raise Refused("--release and --selector both select the pods; use one of them.")
    if bool(prometheus) != bool(labels):
        raise Refused("--prometheus and --label require each other, because other models have a v1 and a v2 too.")
    asked = PrometheusSource(prometheus, dict(labels)) if prometheus else None
    if release:
        limits, workload, source = Connection(release, namespace, context or None).evidence()
        return Evidence(asked or source, workload, limits)
    if selector:
        api, here = connect(context or None)
        core = client.CoreV1Api(api)
        pods = SelectedPods(selector, namespace or here, core)
        return Evidence(asked or PodSource(pods, namespace or here, core, tls=False), pods)
    return Evidence(PrometheusSource(prometheus, dict(labels)))
