"""What Prometheus reads."""

import os
import shutil
import socket
import time

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics import exposition
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from model_server.counts import OPENMETRICS_TYPE, SECONDS, Counts, Exemplar, Histogram
from model_server.metrics import Metrics
from model_server.workers.channel import Channel
from model_server.workers.members import Members
from tabular_model.registry import Registry
from tests.e2e.faulty_versions import publish
from tests.model_server.serving import APPLICANT, in_process, v2_columns
from tests.model_server.test_v2_rest import INFER

ROWS = np.array([[41, 82000, 715, 15000, 5, 3, 0], [np.nan, 99, 410, 48000, 25, 12, 1]])


def scrape(http):
    families = text_string_to_metric_families(http.get("/metrics").text)
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples
    }


@pytest.fixture
def scraped(trained_registry):
    with in_process(trained_registry) as http:
        http.post(INFER, json=v2_columns(ROWS))
        http.post(INFER, json={"inputs": []})
        http.post("/predict?version=v1", json=APPLICANT)
        yield scrape(http)


def test_requests_rows_scores_and_odd_values_are_counted(scraped):
    def value(name, **labels):
        return scraped.get((name, *sorted(labels.items())))

    assert value("loan_requests_total", protocol="rest", version="v2", status="200") == 1
    assert value("loan_requests_total", protocol="rest", version="v2", status="400") == 1
    assert value("loan_requests_total", protocol="json", version="v1", status="200") == 1
    assert value("loan_request_seconds_count", protocol="rest", version="v2") == 2
    assert value("loan_rows_total", version="v2") == 2
    assert value("loan_score_count", version="v2") == 2
    assert value("loan_score_bucket", version="v2", le="+Inf") == 2
    assert value("loan_missing_values_total", version="v2", column="Age") == 1
    assert value("loan_out_of_range_values_total", version="v2", column="Annual_Income") == 1
    assert value("loan_out_of_range_values_total", version="v2", column="Age") == 0
    assert value("loan_model_ready", model="loan") == 1
    assert value("process_resident_memory_bytes") > 0


def test_a_model_that_fails_is_answered_by_a_500_and_counted_against_its_version(trained_registry, tmp_path):
    shutil.copytree(trained_registry, tmp_path / "registry")
    version = publish(Registry.open(tmp_path / "registry"), "failing")
    with in_process(tmp_path / "registry") as http:
        answer = http.post("/predict", json=APPLICANT | {"Credit_Score": 700})
        assert answer.status_code == 500
        assert answer.json()["error"] == "The model failed on this request; the server's log has the cause."
        assert http.post("/predict", json=APPLICANT).status_code == 200
        labels = (("protocol", "json"), ("status", "500"), ("version", version))
        assert scrape(http)["loan_requests_total", *labels] == 1


def buckets(text):
    """The buckets of the time to answer, by their upper bounds, as OpenMetrics' own parser reads them."""
    (family,) = [each for each in openmetrics_families(text.decode()) if each.name == "loan_request_seconds"]
    return {sample.labels["le"]: sample for sample in family.samples if sample.name.endswith("_bucket")}


def test_a_sampled_request_leaves_an_exemplar_in_openmetrics():
    metrics = Metrics()
    began = time.time()
    metrics.request("rest", "v1", "200", 0.003, "a" * 32)
    metrics.request("rest", "v1", "200", 0.004, "b" * 32)
    metrics.request("rest", "v1", "200", 0.0042)
    metrics.request("rest", "v1", "500", 77, "c" * 32)
    counted = buckets(metrics.exposition(openmetrics=True))
    assert [(bound, sample.value) for bound, sample in counted.items() if sample.exemplar] == [
        ("0.005", 3),
        ("+Inf", 4),
    ]
    newest = counted["0.005"].exemplar
    assert (newest.labels, newest.value) == ({"trace_id": "b" * 32}, 0.004)
    assert began <= float(newest.timestamp) <= time.time()
    assert counted["+Inf"].exemplar.labels == {"trace_id": "c" * 32}
    assert exposition.CONTENT_TYPE_LATEST.startswith(OPENMETRICS_TYPE.partition(";")[0])


def test_exemplars_of_a_worker_process_are_exposed_by_its_group():
    ours, theirs = socket.socketpair()
    worker, members = Metrics(), Members()
    Channel(theirs, {"counts": worker.counts, "state": lambda: worker.state}, lambda: None)
    members.join(Channel(ours, {}, lambda: None), os.getpid())
    worker.request("rest", "v1", "200", 0.003, "a" * 32)
    counted = buckets(members.exposition(openmetrics=True))
    assert (counted["0.005"].value, counted["0.005"].exemplar.labels) == (1, {"trace_id": "a" * 32})
    assert b"trace_id" not in members.exposition()


def test_the_plain_text_has_no_exemplars():
    metrics, without = Metrics(), Metrics()
    metrics.request("rest", "v1", "200", 0.003, "a" * 32)
    without.request("rest", "v1", "200", 0.003)

    def counts(text):
        return [line for line in text.decode().splitlines() if "loan_" in line]

    assert counts(metrics.exposition()) == counts(without.exposition())


def test_both_texts_say_the_same():
    metrics = Metrics()
    metrics.request("grpc", "v1", "OK", 0.003)
    metrics.shed("rest")

    def numbers(families):
        found = {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}
        return {key: value for key, value in found.items() if key[0].startswith("loan_")}

    plain = numbers(text_string_to_metric_families(metrics.exposition().decode()))
    assert plain == numbers(openmetrics_families(metrics.exposition(openmetrics=True).decode()))


observed = st.lists(st.tuples(st.floats(1e-6, 20), st.integers(0, 9)), max_size=30)


def histogram(values):
    """Of pairs of seconds and the time when they were observed."""
    made = Histogram.empty(SECONDS)
    for seconds, when in values:
        made.observe(np.array([seconds]), SECONDS)
        made.keep(Exemplar(f"{when:032x}", seconds, float(when)), SECONDS)
    return Counts(seconds={("rest", "v1"): made})


@given(observed, observed)
def test_the_newest_exemplar_of_two_processes_is_kept(first, second):
    """After it went from one process to the other."""
    together = Counts()
    for each in (histogram(first), histogram(second)):
        together.add(msgspec.msgpack.decode(msgspec.msgpack.encode(each), type=Counts))
    whole = histogram(sorted(first + second, key=lambda each: each[1]))
    kept, expected = (each.seconds["rest", "v1"].exemplars for each in (together, whole))
    assert {bucket: exemplar.time for bucket, exemplar in kept.items()} == {
        bucket: exemplar.time for bucket, exemplar in expected.items()
    }


def test_counts_that_are_added_are_not_changed():
    one, other, total = histogram([(0.1, 1)]), histogram([(0.1, 2)]), Counts()
    total.add(one)
    total.add(other)
    assert [each.time for each in one.seconds["rest", "v1"].exemplars.values()] == [1]
