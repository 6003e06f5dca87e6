"""From nothing to a served model on a PersistentVolumeClaim, to its next version and back, in order."""

import json
import time

import numpy as np
import pytest

from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tests.browser import Tab, browser
from tests.e2e.cluster import GATEWAY, HOST, wait_for
from tests.e2e.gateway import ROWS, SteadyLoad, by_plain_json, by_v2_grpc, by_v2_rest, client

ENDPOINTS = [by_v2_rest, by_v2_grpc, by_plain_json]
VALUES = ["--set", "serving.train.enabled=true", "--set", "serving.replicas.min=2", "--set", "training.run=true"]
VALUES += ["--set", "access.subjects.train[0].kind=ServiceAccount", "--set", "access.subjects.train[0].name=ci"]
POOR = {
    "Age": 41,
    "Annual_Income": 38000,
    "Credit_Score": 420,
    "Loan_Amount": 45000,
    "Loan_Duration_Years": 20,
    "Number_of_Open_Accounts": 9,
    "Had_Past_Default": 1,
}


def answers(version):
    """Whether the Gateway gives an answer of this version."""
    try:
        return by_v2_rest()[0] == version
    except Exception:  # whatever it is, it is not an answer yet
        return False


def local(release, version, folder):
    """The same version, copied out of the pod that serves it and loaded here."""
    pod = release.pods()[0]
    target = folder / version
    release.kubectl("cp", f"{pod}:/mnt/models", str(target), "--container=kserve-container")
    return TabularModel.from_registry(Registry.open(target), version)


def test_install_trains_and_serves_the_first_version(release, figure):
    started = time.monotonic()
    release.kubectl("create", "serviceaccount", "ci")
    release.install(*VALUES)
    release.wait(f"job/{release.service}-training-initial", "condition=Complete")
    release.upgrade("--set", "stable.version=v1")
    release.wait(f"inferenceservice/{release.service}", "condition=Ready")
    wait_for(lambda: answers("v1"), 60, "the first prediction")
    figure("helm install to first prediction", f"{time.monotonic() - started:.0f} s, training included")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_endpoint_gives_the_probabilities_of_the_version_itself(release, endpoint, tmp_path):
    version, probabilities = endpoint()
    assert version == "v1"
    expected = local(release, "v1", tmp_path).score(ROWS).probability
    assert np.abs(np.array(probabilities) - expected).max() <= 1e-9


def test_helm_test_asks_for_a_prediction(release):
    release.helm("test", release.name)


@pytest.fixture
def tab(tmp_path):
    """A browser that takes the Gateway for the release's host."""
    address, port = GATEWAY.rsplit(":", 1)
    with browser(tmp_path, f"--host-resolver-rules=MAP {HOST} {address}") as opened:
        opened.open(f"http://{HOST}:{port}/")
        opened.wait("document.querySelectorAll('#fields input, #fields select').length >= 7")
        yield opened


def texts(tab: Tab, selector: str) -> list[str]:
    found: list[str] = tab.run(f"[...document.querySelectorAll('{selector}')].map(each => each.textContent)")
    return found


def test_the_page_scores_an_application_in_a_browser(release, tab):
    with client() as http:
        answer = http.post("/predict?explain=true", json=POOR).raise_for_status().json()
        report = http.get("/versions/v1/report").raise_for_status().text
    (version,) = texts(tab, "#versions tr")
    assert version.startswith("v1")
    assert "default" in version
    assert tab.run("fetch(document.querySelector('#versions a').href).then(each => each.text())") == report
    for name, value in POOR.items():
        tab.run(f"document.getElementById('field-{name}').value = {json.dumps(value)}")
    tab.run("document.getElementById('application').requestSubmit()")
    tab.wait("document.querySelector('.verdict')")
    assert texts(tab, ".verdict") == ["Approved" if answer["prediction"] else "Rejected"] == ["Rejected"]
    assert f"Probability of approval {100 * answer['probability']:.1f} %, by v1." in texts(tab, "#answer p")
    reasons = texts(tab, "#answer li")
    assert reasons
    assert [each.rsplit("(", 1)[1].rstrip(")") for each in reasons] == answer["reason_codes"]
    bars = tab.run("[...document.querySelectorAll('.parts rect')].map(each => each.getBoundingClientRect().width)")
    assert len(bars) >= len(reasons)
    assert all(width > 0 for width in bars)
    assert texts(tab, "#trouble") == [""]
    assert tab.errors == []


def test_train_makes_the_next_version_by_a_job(release):
    token = release.kubectl("create", "token", "ci", "--audience", "loan-model").strip()
    with client() as http:
        http.timeout = 170
        assert http.post("/train", json={"algorithm": "logistic"}).status_code == 401
        headers = {"authorization": f"Bearer {token}"}
        answer = http.post("/train", json={"algorithm": "logistic"}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["new_model_version"] == "v2"
    jobs = release.get("jobs")["items"]
    owners = [owner["name"] for job in jobs for owner in job["metadata"].get("ownerReferences", [])]
    assert owners == [f"{release.service}-training"]


@pytest.mark.parametrize(("step", "version"), [("upgrade", "v2"), ("rollback", "v1")])
def test_a_change_of_version_fails_no_request(release, figure, step, version):
    before = by_v2_rest()[0]
    with SteadyLoad() as load:
        time.sleep(2)
        if step == "upgrade":
            release.upgrade("--set", "stable.version=v2")
        else:
            release.helm("rollback", release.name)
        wait_for(lambda: load.versions[version] > 20, 120, f"answers of {version}")
        release.wait_until_rolled_out()
        time.sleep(2)
    figure(f"helm {step} under load", f"{len(load.failed)} of {load.sent} requests failed")
    assert not load.failed
    assert set(load.versions) == {before, version}
    assert by_v2_grpc()[0] == version


def test_uninstall_leaves_nothing_but_the_claim(release):
    release.helm("uninstall", release.name, "--wait")
    claim = f"persistentvolumeclaim/{release.service}-registry"
    wait_for(lambda: release.objects() == {claim, "serviceaccount/ci"}, 90, "all but the claim to go")
