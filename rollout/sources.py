"""Two places to read a version's counters from: Prometheus, or the pods themselves where there is none."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
from kubernetes import client
from prometheus_client.parser import text_string_to_metric_families

from rollout.errors import ClusterError
from rollout.traffic import METRICS, Series, Snapshot
from rollout.workload import Workload

REACH = "1h"  # how far back Prometheus looks for a pod that is gone; longer than a step
TIMEOUT_SECONDS = 10.0


class PrometheusSource:
    """Asks Prometheus for the last value of every series, so that a pod that is gone still counts."""

    def __init__(self, url: str, labels: dict[str, str]) -> None:
        self._url = url.rstrip("/")
        self._labels = labels

    def snapshot(self, version: str, ago: float = 0) -> Snapshot:
        """Looks back at most an hour from `ago` seconds ago; ClusterError if Prometheus gives no usable answer."""
        matchers = {**self._labels, "version": version}
        chosen = ",".join(f"{name}={json.dumps(value)}" for name, value in matchers.items())
        query = f'last_over_time({{__name__=~"{"|".join(METRICS)}",{chosen}}}[{REACH}])'
        when = {"query": query, "time": f"{time.time() - ago:.3f}"}
        try:
            answer = httpx2.post(f"{self._url}/api/v1/query", data=when, timeout=TIMEOUT_SECONDS)
            answer.raise_for_status()
            found = answer.json()["data"]["result"]
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, KeyError, TypeError) as error:
            raise ClusterError(f"Prometheus at {self._url} did not answer: {error}") from error
        return dict(_sample(each) for each in found)


class PodSource:
    """Reads `/metrics` of each pod through the Kubernetes API, and remembers what pods that are gone said last."""

    def __init__(self, workload: Workload, namespace: str, core: Any, tls: bool) -> None:
        self._workload = workload
        self._namespace = namespace
        self._core = core
        self._scheme = "https:" if tls else ""
        self._seen: dict[str, dict[Series, float]] = {}

    def snapshot(self, version: str, ago: float = 0) -> Snapshot:
        """Empty unless `ago` is 0; a pod without an answer counts as it last did; ApiException if access is denied."""
        if ago:
            return {}
        seen = self._seen.setdefault(version, {})
        with ThreadPoolExecutor(max_workers=8) as pool:
            for found in pool.map(self._read, self._workload.pods_of(version)):
                seen.update({series: value for series, value in found.items() if series.label("version") == version})
        return dict(seen)

    def _read(self, pod: str) -> dict[Series, float]:
        at = f"{self._scheme}{pod}:8080"
        try:
            text = self._core.connect_get_namespaced_pod_proxy_with_path(at, self._namespace, "metrics")
        except client.ApiException as error:
            if error.status in (401, 403) or not error.status:
                raise
            return {}  # not listening yet, or gone
        return {
            Series(sample.name, frozenset({**sample.labels, "pod": pod}.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name in METRICS
        }


def _sample(found: dict[str, Any]) -> tuple[Series, float]:
    labels = dict(found["metric"])
    return Series(labels.pop("__name__"), frozenset(labels.items())), float(found["value"][1])
