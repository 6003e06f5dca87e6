"""`loan rollout controller`: what the values want becomes what runs, step by step, or stays as it was."""

import copy
import json
import os
import signal
import time
from datetime import UTC, datetime

import pytest

from rollout import reconciler
from tests.rollout.cluster import CHART, FULL_NAME
from tests.rollout.declared_cluster import DeclaredCluster

SERVICE = ("inferenceservices", FULL_NAME)
ROLLED_OUT, ROLLED_BACK = ("True", "RolledOut"), ("False", "RolledBack")


def now():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture
def cluster(new_cluster) -> DeclaredCluster:
    return new_cluster(kind=DeclaredCluster)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(reconciler, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(reconciler, "LOOK_SECONDS", 0)


@pytest.fixture
def run(rollout):
    """Runs the controller until the condition is as given, and again for each version of `then`."""

    def until(cluster, condition, then=()):
        wanted = list(then)

        def look(found):
            if found != condition:
                return
            if wanted:
                cluster.want(wanted.pop(0))
            else:
                os.kill(os.getpid(), signal.SIGTERM)

        cluster.on_condition = look
        return rollout("controller", "--chart", str(CHART))

    return until


@pytest.fixture
def look(rollout):
    """Runs the controller until it has read what is wanted so many times."""

    def times(cluster, count):
        reads = []

        def read():
            reads.append(1)
            if len(reads) == count:
                os.kill(os.getpid(), signal.SIGTERM)

        cluster.on_condition, cluster.on_declaration = (lambda _: None), read
        done = rollout("controller", "--chart", str(CHART))
        cluster.on_declaration = lambda: None
        return done

    return times


def reasons(cluster):
    return [each["reason"] for each in cluster.events]


def message(cluster):
    conditions = cluster.objects[SERVICE]["status"]["conditions"]
    return next(each["message"] for each in conditions if each["type"] == "RolledOut")


@pytest.fixture
def serving(cluster, run):
    """v1 is stable."""
    run(cluster, ROLLED_OUT)
    cluster.events.clear()
    cluster.applications.clear()
    return cluster


def test_the_first_version_is_installed_once_it_is_fit(cluster, run):
    cluster.versions["v1"].refused = "There is no version v1."

    def train():
        if len(cluster.jobs) == 3:
            cluster.versions["v1"].refused = ""

    cluster.on_job = train
    done = run(cluster, ROLLED_OUT)
    assert done.exit_code == 0, done.stderr
    assert cluster.split == ("v1", "", 0)
    assert reasons(cluster) == ["NotFit", "Installed"]
    assert [each["involvedObject"]["kind"] for each in cluster.events] == ["ConfigMap", "InferenceService"]


@pytest.mark.parametrize("mode", ["Standard", "Knative"])
def test_a_wanted_version_becomes_stable_step_by_step(new_cluster, run, mode):
    cluster = new_cluster(mode, DeclaredCluster)
    done = run(cluster, ROLLED_OUT, then=["v2"])
    assert done.exit_code == 0, done.stderr
    assert (cluster.split, cluster.champion) == (("v2", "", 0), "v2")
    promoting = [("v2", "v2", 100)] if mode == "Standard" else []
    steps = [("v1", "v2", 0), ("v1", "v2", 50), ("v1", "v2", 100)]
    assert cluster.applications == [("v1", "", 0), *steps, *promoting, ("v2", "", 0)]
    assert set(cluster.objects) == {SERVICE}
    assert "Promoted" in reasons(cluster)


def test_what_is_applied_belongs_to_the_charts_config_map_and_says_who_manages_it(serving):
    metadata = serving.objects[SERVICE]["metadata"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": f"{FULL_NAME}-rollout", "uid": "abc"}
    assert metadata["ownerReferences"] == [owner]
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "loan-rollout"
    assert not serving.rendered[-1]["rollout"]["controller"]["enabled"]
    assert serving.kept["metadata"]["ownerReferences"] == [owner]


def test_a_step_changes_nothing_of_stable_that_would_start_its_pods_anew(serving, run):
    before = copy.deepcopy(serving.objects[SERVICE])
    seen = []
    serving.on_look = lambda: seen.append(copy.deepcopy(serving.objects[SERVICE]))
    serving.versions["v2"].faults = 0.3
    serving.want("v2")
    run(serving, ROLLED_BACK)
    parts = [
        (each["spec"], each["metadata"]["labels"], each["metadata"].get("annotations")) for each in [before, *seen]
    ]
    assert all(each == parts[0] for each in parts[1:])
    assert len(seen) > 1


@pytest.mark.parametrize("mode", ["Standard", "Knative"])
def test_a_worse_version_is_rolled_back_and_not_tried_again_until_another_was_wanted(new_cluster, run, look, mode):
    cluster = new_cluster(mode, DeclaredCluster)
    cluster.versions["v2"].faults = 0.3
    run(cluster, ROLLED_OUT)
    cluster.want("v2")
    done = run(cluster, ROLLED_BACK)
    assert done.exit_code == 0, done.stderr
    assert cluster.split == ("v1", "", 0)
    assert "30.0% of its requests fail" in message(cluster)
    assert reasons(cluster) == ["Installed", "Started", "Advanced", "RolledBack", "Aborted"]
    assert set(cluster.objects) == {SERVICE}
    jobs = len(cluster.jobs)
    look(cluster, 20)
    assert (cluster.split, cluster.condition, len(cluster.jobs)) == (("v1", "", 0), ROLLED_BACK, jobs)
    cluster.versions["v2"].faults = 0
    cluster.want("v1")
    run(cluster, ROLLED_OUT, then=["v2"])
    assert cluster.split == ("v2", "", 0)


def test_in_knative_mode_a_canary_goes_once_stable_has_a_revision_to_go_back_to(new_cluster, run):
    cluster = new_cluster("Knative", DeclaredCluster)
    cluster.versions["v2"].faults = 0.3
    run(cluster, ROLLED_OUT)
    cluster.want("v2")
    run(cluster, ROLLED_BACK)
    assert cluster.applications[-2:] == [("v1", "v1", 0), ("v1", "", 0)]


def test_what_a_crash_left_half_taken_back_is_ended(new_cluster, run, look):
    cluster = new_cluster("Knative", DeclaredCluster)
    run(cluster, ROLLED_OUT)
    state = cluster.state | {"split": {"stable": "v1", "canary": "v1", "weight": 0}}
    cluster.kept["data"]["state"] = json.dumps(state)
    look(cluster, 10)
    assert cluster.split == ("v1", "", 0)


def test_another_version_wanted_during_a_rollout_takes_its_place(serving, run):
    serving.want("v2")
    serving.on_look = lambda: serving.split[2] == 50 and serving.want("v3")
    done = run(serving, ROLLED_OUT)
    assert done.exit_code == 0, done.stderr
    assert serving.split == ("v3", "", 0)
    assert ("v1", "", 0) in serving.applications
    assert "Aborted" in reasons(serving)


def test_stable_wanted_again_during_a_rollout_ends_it(serving, run):
    serving.want("v2")
    serving.on_look = lambda: serving.split[2] == 50 and serving.want("v1")
    run(serving, ROLLED_OUT)
    assert serving.split == ("v1", "", 0)
    assert reasons(serving) == ["Started", "Advanced", "Aborted"]


def test_a_rollout_that_was_killed_goes_on_where_it_stood(serving, run):
    serving.want("v2")
    serving.on_look = lambda: serving.split[2] == 50 and os.kill(os.getpid(), signal.SIGTERM)
    run(serving, ROLLED_OUT)
    assert serving.split == ("v1", "v2", 50)
    serving.on_look = lambda: None
    run(serving, ROLLED_OUT)
    assert serving.split == ("v2", "", 0)
    assert serving.applications.count(("v1", "v2", 0)) == 1


def test_a_version_that_is_not_fit_leaves_things_as_they_are_and_is_looked_at_again(serving, run):
    serving.versions["v2"].refused = "v2 failed the gate."
    serving.want("v2")
    run(serving, ("False", "NotFit"))
    assert (serving.split, message(serving)) == (("v1", "", 0), "v2 failed the gate.")
    serving.versions["v2"].refused = ""
    run(serving, ROLLED_OUT)
    assert serving.split == ("v2", "", 0)


def test_too_little_traffic_is_said_and_waited_for(serving, run):
    serving.requests_between_looks = 0
    serving.values["rollout"]["limitSeconds"] = 0.1
    serving.want("v2")
    run(serving, ("Unknown", "Waiting"))
    assert "too little traffic" in message(serving)
    serving.requests_between_looks = 1000
    run(serving, ROLLED_OUT)
    assert serving.split == ("v2", "", 0)


def test_what_another_hand_changed_is_put_right(serving, look):
    serving.objects[SERVICE]["spec"]["predictor"]["model"]["env"] = []
    stray = copy.deepcopy(serving.objects[SERVICE])
    stray["metadata"]["name"] = f"{FULL_NAME}-canary"
    serving.objects["inferenceservices", f"{FULL_NAME}-canary"] = stray
    look(serving, 10)
    assert set(serving.objects) == {SERVICE}
    assert serving.objects[SERVICE]["spec"]["predictor"]["model"]["env"][0]["value"] == "v1"


def test_a_service_that_helm_left_is_taken_over_as_it_is(cluster, run):
    container = {"env": [{"name": "LOAN_VERSION", "value": "v7"}]}
    cluster.objects[SERVICE] = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": FULL_NAME, "namespace": "bank", "uid": "abc", "resourceVersion": "1"},
        "spec": {"predictor": {"model": container}},
        "status": {"conditions": []},
    }
    cluster.want("v7")
    run(cluster, ROLLED_OUT)
    assert cluster.split == ("v7", "", 0)
    assert not cluster.jobs


def test_no_version_wanted_changes_nothing(cluster, look):
    cluster.want("")
    done = look(cluster, 5)
    assert (done.exit_code, cluster.objects) == (0, {})


def test_a_conflict_with_kserve_over_the_status_is_tried_again(serving, run):
    serving.conflicts = 2
    serving.want("v2")
    run(serving, ROLLED_OUT)
    assert serving.condition == ROLLED_OUT


def test_a_status_that_cannot_be_written_does_not_end_the_controller(serving, run):
    serving.versions["v2"].refused = "v2 failed the gate."
    serving.on_event = lambda: setattr(serving, "conflicts", 3)  # as often as it is tried
    serving.want("v2")
    done = run(serving, ("False", "NotFit"))
    assert done.exit_code == 0, done.stderr
    assert "the object has been modified" in done.output


def test_the_chart_is_rendered_once_for_what_stays_the_same(serving, look):
    serving.helm.clear()
    look(serving, 30)
    assert len(serving.helm) == 1


def test_an_outage_is_said_in_a_sentence_and_waited_out(serving, run):
    serving.helm_fails = ["the chart is not readable"]
    serving.want("v2")
    done = run(serving, ROLLED_OUT)
    assert "helm template failed: the chart is not readable" in done.output
    assert serving.split == ("v2", "", 0)


def test_templates_of_another_version_are_refused(cluster, run):
    cluster.chart_version = "9.9.9"
    cluster.on_event = lambda: os.kill(os.getpid(), signal.SIGTERM)
    run(cluster, ROLLED_OUT)
    assert "The release is of the chart 9.9.9" in cluster.events[0]["message"]


def test_a_lease_that_is_held_is_waited_for(serving, run, monkeypatch):
    holder = {"holderIdentity": "another", "leaseDurationSeconds": 1, "renewTime": now()}
    serving.leases[f"{FULL_NAME}-rollout"]["spec"] = holder
    serving.want("v2")
    started = time.monotonic()
    assert run(serving, ROLLED_OUT).exit_code == 0
    assert time.monotonic() - started > 0.5


@pytest.mark.parametrize("words", [["--to", "v2"], ["abort"]])
def test_the_command_changes_nothing_where_a_controller_decides(serving, rollout, words):
    done = rollout(*words)
    assert done.exit_code == 1
    assert "The controller loans-loan-model-rollout decides what the release loans runs" in done.stderr
    assert not serving.applications
    assert rollout("status").exit_code == 0


def test_a_release_without_a_controller_is_named(new_cluster, rollout):
    new_cluster()
    done = rollout("controller")
    assert done.exit_code == 1
    assert "set rollout.controller.enabled" in done.stderr
