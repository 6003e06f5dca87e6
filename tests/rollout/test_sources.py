"""Counters read from the pods and from Prometheus."""

import re

import pytest
from kubernetes import client

from rollout.errors import ClusterError
from rollout.sources import PodSource, PrometheusSource
from rollout.traffic import Traffic
from rollout.workload import Workload
from tests.rollout.cluster import FULL_NAME, answering
from tests.rollout.prometheus import Prometheus


@pytest.fixture
def pods(cluster):
    """The source that asks the pods through the cluster's API."""
    api = client.ApiClient(client.Configuration(host=cluster.url))
    core = client.CoreV1Api(api)
    return PodSource(Workload(FULL_NAME, "bank", core, client.CustomObjectsApi(api)), "bank", core, tls=False)


def test_what_the_server_exposes_is_understood(cluster, pods):
    cluster.requests_between_looks = 200
    cluster.versions["v1"].faults, cluster.versions["v1"].approves = 0.05, 0.25
    start = pods.snapshot("v1")
    traffic = Traffic.between(start, pods.snapshot("v1"))
    assert (traffic.requests, traffic.faults, traffic.rows, traffic.approved) == (200, 10, 200, 50)
    assert 0.001 < traffic.seconds.quantile(0.5) < 0.0025
    assert traffic.scores.quantile(0.5) == pytest.approx(0.5, abs=0.01)
    assert (traffic.missing, traffic.out_of_range) == (0, 0)


def test_a_pod_that_is_gone_or_does_not_answer_still_counts(cluster, pods):
    cluster.split = ("v1", "v2", 50)
    start = pods.snapshot("v2")
    pods.snapshot("v1")
    before = pods.snapshot("v2")
    cluster.split = ("v1", "", 0)
    assert pods.snapshot("v2") == before
    assert Traffic.between(start, before).requests == 500


def test_pods_remember_nothing_so_that_all_they_counted_counts(cluster, pods):
    assert pods.snapshot("v1", ago=60) == {}
    assert Traffic.between({}, pods.snapshot("v1")).requests == 1000


def test_prometheus_is_asked_for_the_last_value_of_every_series():
    prometheus = Prometheus()
    with answering(prometheus) as url:
        source = PrometheusSource(f"{url}/", {"namespace": "bank", "job": "loans"})
        start = source.snapshot("v2")
        prometheus.metrics["v2"].request("grpc", "v2", "INTERNAL", 0.002)
        prometheus.metrics["v2"].request("grpc", "v2", "OK", 0.002)
        traffic = Traffic.between(start, source.snapshot("v2"))
    assert (traffic.requests, traffic.faults, traffic.seconds.total) == (2, 1, 2)
    query = prometheus.asked["query"]
    assert query.startswith('last_over_time({__name__=~"loan_requests_total|')
    assert query.endswith(',namespace="bank",job="loans",version="v2"}[1h])')


def test_prometheus_is_asked_about_the_past():
    prometheus = Prometheus()
    with answering(prometheus) as url:
        source = PrometheusSource(url, {})
        source.snapshot("v1")
        now = float(prometheus.asked["time"])
        source.snapshot("v1", ago=300)
    assert float(prometheus.asked["time"]) == pytest.approx(now - 300, abs=10)


def test_a_prometheus_that_fails_is_named():
    prometheus = Prometheus()
    prometheus.status = 503
    with answering(prometheus) as url:
        source = PrometheusSource(url, {})
        with pytest.raises(ClusterError, match=re.escape(f"Prometheus at {url} did not answer")):
            source.snapshot("v1")
    with pytest.raises(ClusterError, match="did not answer"):
        source.snapshot("v1")
