"""The plain JSON API: predict, predict_batch, and their choice of version."""

import numpy as np
import pytest

from loan_model.synthetic import LOAN
from tests.model_server.serving import APPLICANT


def test_predict_one(http, model):
    answer = http.post("/predict?version=v1", json=APPLICANT).json()
    probability, decision = model.score(np.array([[APPLICANT[name] for name in LOAN.schema.names]], dtype=np.float64))
    assert answer == {
        "prediction": int(decision[0]),
        "probability": float(probability[0]),
        "model_version": "v1",
    }


def test_null_is_missing(http):
    answer = http.post("/predict", json=APPLICANT | {"Age": None, "Credit_Score": None})
    assert answer.status_code == 200


def test_predict_batch_by_rows_and_by_columns(http):
    other = APPLICANT | {"Credit_Score": 420, "Had_Past_Default": 1}
    one, two = (http.post("/predict", json=each).json() for each in (APPLICANT, other))
    expected = {
        "predictions": [one["prediction"], two["prediction"]],
        "probabilities": [one["probability"], two["probability"]],
        "model_version": one["model_version"],
    }
    columns = {name: [APPLICANT[name], other[name]] for name in LOAN.schema.names}
    assert http.post("/predict_batch", json=[APPLICANT, other]).json() == expected
    assert http.post("/predict_batch", json=columns).json() == expected


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_version_is_chosen_by_the_query(http, version):
    answer = http.post(f"/predict?version={version}", json=APPLICANT)
    assert answer.json()["model_version"] == answer.headers["x-loan-version"] == version


def test_an_unknown_version_names_those_there_are(http):
    answer = http.post("/predict?version=v9", json=APPLICANT)
    assert answer.status_code == 404
    assert "v1, v2" in answer.json()["error"]


def test_reasons_on_request(http):
    refused = APPLICANT | {"Credit_Score": 320, "Had_Past_Default": 1}
    reasons = http.post("/predict?explain=true", json=refused).json()["reason_codes"]
    assert {"CREDIT_SCORE_LOW", "HAD_PAST_DEFAULT"} <= set(reasons)


def test_a_flag_without_a_value_is_refused(http):
    answer = http.post("/predict?explain=", json=APPLICANT)
    assert answer.status_code == 400
    assert answer.json()["error"] == "The query parameter explain is ''; it must be true or false."
