"""What Prometheus reads."""

import shutil

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

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
        assert answer.json()["error"] == "The model failed on this request; the server's log says why."
        assert http.post("/predict", json=APPLICANT).status_code == 200
        labels = (("protocol", "json"), ("status", "500"), ("version", version))
        assert scrape(http)["loan_requests_total", *labels] == 1
