"""A year of decisions with a drift in month 7: the alerts of it and of its outcomes, and the version that follows."""

import json
import math
import re
from pathlib import Path

import httpx
import pytest
import yaml

from tests.e2e.cluster import forwarded, wait_for
from tests.e2e.gateway import Callers, by_v2_rest
from tests.e2e.rollouts import Workshop, rollout
from tests.e2e.test_release_on_a_claim import answers
from tests.e2e.test_rollout import split
from tests.e2e.year import DRIFT, LATE, Year
from tests.test_queries import DASHBOARDS, queries

READ_SECONDS = 90  # a server reads the monitor's gauges each minute


@pytest.fixture(scope="module")
def installed(release, tmp_path_factory):
    made = Year(release, tmp_path_factory.mktemp("year"))
    made.install()
    return made


@pytest.fixture(scope="module")
def workshop(release, installed, images):
    return Workshop(release, images.training)


@pytest.fixture(scope="module")
def year(installed, workshop):
    """Its first version serves; the workshop's pod was started while it was trained."""
    installed.serve()
    wait_for(lambda: answers("v1"), 60, "the first prediction")
    return installed


@pytest.fixture(scope="module")
def prometheus(release, year):
    """Asks a live Prometheus, which has the release's rules, for the value of each series."""
    year.give("prometheus-rules", "rules.yaml", yaml.safe_dump({"groups": year.rules()}))
    release.kubectl("apply", "--filename", str(Path(__file__).with_name("prometheus.yaml")))
    release.kubectl("rollout", "status", "deployment/prometheus", "--timeout=60s")
    with forwarded(release.namespace, "service/prometheus", 9090) as port, httpx.Client(timeout=10) as http:

        def get(path, **parameters):
            answer = http.get(f"http://127.0.0.1:{port}/api/v1/{path}", params=parameters).json()
            assert answer["status"] == "success", (parameters, answer)
            return answer["data"]

        yield get


def firing(prometheus, alert):
    """The labels of each alert of a name that fires."""
    found = prometheus("query", query=f'ALERTS{{alertname="{alert}", alertstate="firing"}}')["result"]
    return [each["metric"] for each in found]


def ever(prometheus, alerts):
    """How often alerts fired since the test began."""
    query = f'count_over_time(ALERTS{{alertname=~"{alerts}", alertstate="firing"}}[1h])'
    return prometheus("query", query=query)["result"]


def checks(said, version="v1"):
    """How many checks of a version the monitor found something by."""
    (line,) = re.findall(rf"(?m)^{version}: .*$", said)
    return int(re.search(r"(\d+) found", line)[1])


def test_half_a_year_is_as_it_should_be(year, prometheus):
    for month in range(1, DRIFT):
        year.decide(month)
    said = year.watch(DRIFT - 1)
    assert checks(said) == 0, said
    assert not {"Drift", "Calibration", "TrainingStarted"} & set(year.events())
    assert ever(prometheus, "LoanModel.*") == []


def test_the_drift_of_month_7_fires_its_alert(year, prometheus, figure):
    year.decide(DRIFT)
    assert "drift: Credit_Score" in year.watch(DRIFT)
    assert "Credit_Score" in year.events()["Drift"]
    waited = wait_for(lambda: firing(prometheus, "LoanModelDrift"), READ_SECONDS, "the alert of the drift")
    figure("alert of the drift", f"{waited:.0f} s after the monitor's Job of month {DRIFT}")
    assert {(each["version"], each["subject"]) for each in firing(prometheus, "LoanModelDrift")} == {
        ("v1", "Credit_Score")
    }
    assert ever(prometheus, "LoanModelCalibration") == []


def test_the_outcomes_of_month_7_come_late_and_start_a_training(year, prometheus, release):
    for month in range(DRIFT + 1, DRIFT + LATE):
        year.decide(month)
    assert "calibration" not in year.watch(DRIFT + LATE - 1)
    assert "TrainingStarted" not in year.events()
    year.new_data(DRIFT + LATE)
    year.decide(DRIFT + LATE)
    job = f"{release.service}-training-v1"
    said = year.watch(DRIFT + LATE)
    assert f"The training {job} was started because of calibration of v1." in said
    events = year.events()
    assert {"Calibration", "Drift", "TrainingStarted"} <= set(events)
    assert job in events["TrainingStarted"]
    result = release.trained(job)
    assert (result["version"], result["passed"]) == ("v2", True)
    assert split(release) == ("v1", "", 0)
    assert by_v2_rest()[0] == "v1"


def test_the_card_shows_the_gate_and_who_approved(workshop):
    card = workshop.run("loan", "card", "v2")
    assert "The gate: passed" in card
    assert "Credit committee" not in card
    assert not any(
        each["champion"] for each in json.loads(workshop.run("loan", "versions", "list", "--output", "json"))
    )
    approved = ("--by", "Credit committee", "--reason", "The bureau's scores are lower since July.")
    workshop.run("loan", "versions", "promote", "v2", *approved)
    assert "Credit committee" in workshop.run("loan", "card", "v2")


def test_the_outcomes_fire_their_alert(year, prometheus):
    wait_for(lambda: firing(prometheus, "LoanModelCalibration"), READ_SECONDS, "the alert of the calibration")
    (alert,) = firing(prometheus, "LoanModelCalibration")
    assert (alert["version"], alert["subject"]) == ("v1", f"{year.middle(DRIFT):%Y-%m}")


def substituted(query):
    """A query of a dashboard as Grafana sends it where everything is chosen."""
    words = {"$namespace": "test-watched-year", "$predictor": ".*", "$version": ".*", "$__rate_interval": "10m"}
    for word, value in words.items():
        query = query.replace(word, value)
    return re.sub(r"label_values\((.*), \w+\)", r"\1", query)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_every_query_of_a_dashboard_has_data(prometheus, path):
    for query in filter(None, queries(path).splitlines()):
        found = prometheus("query", query=substituted(query))["result"]
        assert any(not math.isnan(float(each["value"][1])) for each in found), query


def test_every_rule_is_evaluated(prometheus):
    rules = [rule for group in prometheus("rules")["groups"] for rule in group["rules"]]
    assert len(rules) == 13
    assert {rule["health"] for rule in rules} == {"ok"}, rules
    # An alert has no answer while it does not hold, but what it compares is there.
    for query in (rule["query"] for rule in rules if "loan_monitor" in rule["query"]):
        compared = re.split(r"\s+and on | > \d+$", query)
        assert "absent" in query or prometheus("query", query=compared[0])["result"], query


def test_the_approved_version_is_rolled_out(year, release, figure):
    assert split(release) == ("v1", "", 0)
    year.set_clock(DRIFT + LATE, 10)
    with Callers("loan", year.bodies(DRIFT)) as callers:
        ended = rollout(release, "--to", "v2")
    figure("rollout of the version that the monitor asked for", f"{ended.seconds:.0f} s, {callers.sent} requests")
    assert ended.code == 0, ended.messages
    assert not callers.failed
    assert split(release) == ("v2", "", 0)


def test_the_new_version_is_as_promised_and_the_old_one_starts_no_other_training(year, release):
    for month in range(DRIFT + LATE + 1, 13):
        year.decide(month)
    said = year.watch(12)
    assert checks(said, "v2") == 0, said
    assert f"No training was started for v1, because {release.service}-training-v1 was started on" in said
    assert "NoTraining" in year.events()
