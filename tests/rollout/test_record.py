"""What is left of each decision: a line of JSON, an event, and what `status` shows."""

import json
from datetime import datetime

import pytest

from rollout.record import me
from tests.rollout.cluster import FULL_NAME


@pytest.fixture
def rolled_back(cluster, rollout):
    cluster.split = ("v1", "v2", 50)
    cluster.versions["v2"].approves = 0.65
    return rollout("--to", "v2")


def test_a_line_says_who_when_from_to_why_and_by_which_figures(rolled_back):
    line = json.loads(rolled_back.stdout.splitlines()[-1])
    assert (line["event"], line["who"], line["release"]) == ("RolledBack", me(), "loans")
    assert line["at"].endswith("Z")
    assert line["before"] == {"stable": "v1", "canary": "v2", "weight": 50}
    assert line["after"] == {"stable": "v1", "canary": "v2", "weight": 0}
    assert line["why"] == "it approves 65.0% of its applications, stable 50.0%"
    assert (line["judged"]["outcome"], line["judged"]["stable_requests"]) == ("worse", 500)
    found = {each["check"]: each for each in line["judged"]["findings"]}
    assert found["approvals"]["outcome"] == "worse"
    assert (found["approvals"]["stable"], found["approvals"]["canary"]) == (0.5, 0.65)
    assert found["approvals"]["p_value"] < 0.001
    assert found["errors"]["outcome"] == "fine"


def test_an_event_on_stables_service_says_the_same(cluster, rolled_back):
    event = cluster.events[-1]
    assert (event["reason"], event["type"], event["action"]) == ("RolledBack", "Warning", "RolledBack")
    assert event["involvedObject"] == {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "name": FULL_NAME,
        "namespace": "bank",
        "uid": "abc",
    }
    moved = "v1 50 %, v2 50 % -> v1 100 %, v2 0 %"
    assert event["message"] == f"{me()}: {moved}: it approves 65.0% of its applications, stable 50.0%"
    assert event["source"]["component"] == "loan-rollout"
    line = json.loads(rolled_back.stdout.splitlines()[-1])
    assert datetime.fromisoformat(event["eventTime"]) == datetime.fromisoformat(line["at"])


def test_a_good_end_is_no_warning(cluster, rollout):
    cluster.split = ("v2", "", 0)
    assert rollout("--to", "v2").exit_code == 0
    assert [(each["reason"], each["type"]) for each in cluster.events] == [("Promoted", "Normal")]


def test_an_event_that_cannot_be_written_changes_nothing(cluster, rollout, monkeypatch):
    cluster.split = ("v2", "", 0)
    cluster.refuses_events = True
    done = rollout("--to", "v2")
    assert done.exit_code == 0
    assert "warning: the event was not written" in done.stderr


def test_status_shows_shares_steps_checks_and_the_verdict(cluster, rollout):
    cluster.split = ("v1", "v2", 50)
    cluster.versions["v2"].approves = 0.65
    rollout("status")
    shown = rollout("status").stdout
    for words in ("v1", "50 %", "1/1 ready", "● 50 %", "○ 100 %", "approvals", "✗ worse", "65.00%"):
        assert words in shown
    assert "✗ it approves 65.0% of its applications, stable 50.0%" in shown


def test_status_without_a_canary_shows_stable(cluster, rollout):
    shown = rollout("status").stdout
    assert "v1" in shown
    assert "100 %" in shown
    assert "CHECK" not in shown
