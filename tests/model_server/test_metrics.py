"""What Prometheus reads."""

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.model_server.serving import APPLICANT, in_process, v2_columns
from tests.model_server.test_v2_rest import INFER

ROWS = np.array([[41, 82000, 715, 15000, 5, 3, 0], [np.nan, 99, 410, 48000, 25, 12, 1]])


@pytest.fixture
def scraped(trained_registry):
    with in_process(trained_registry) as http:
        http.post(INFER, json=v2_columns(ROWS))
        http.post(INFER, json={"inputs": []})
        http.post("/predict?version=v1", json=APPLICANT)
        families = text_string_to_metric_families(http.get("/metrics").text)
        yield {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }


def test_requests_rows_scores_and_odd_values_are_counted(scraped):
    def value(name, **labels):
        return scraped.get((name, *sorted(labels.items())))

    assert value("loan_requests_total", protocol="rest", version="v2", status="200") == 1
    assert value("loan_requests_total", protocol="rest", version="", status="400") == 1
    assert value("loan_requests_total", protocol="json", version="v1", status="200") == 1
    assert value("loan_request_seconds_count", protocol="rest", version="v2") == 1
    assert value("loan_rows_total", version="v2") == 2
    assert value("loan_score_count", version="v2") == 2
    assert value("loan_score_bucket", version="v2", le="+Inf") == 2
    assert value("loan_missing_values_total", version="v2", column="Age") == 1
    assert value("loan_out_of_range_values_total", version="v2", column="Annual_Income") == 1
    assert value("loan_out_of_range_values_total", version="v2", column="Age") == 0
    assert value("loan_model_ready", model="loan") == 1
    assert value("process_resident_memory_bytes") > 0
