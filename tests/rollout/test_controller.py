"""`loan rollout` from start to end, against a stand-in for the cluster and for helm."""

import json
import os
import signal
import time

import pytest

from rollout import controller
from tests.rollout.cluster import FULL_NAME


def events(result):
    return [json.loads(line)["event"] for line in result.stdout.splitlines()]


def settings(cluster, **rollout):
    cluster.change({"rollout": rollout})


def bad_from(cluster, weight, **how):
    """v2 behaves so from this weight on."""

    def look():
        if cluster.split[2] >= weight:
            for name, value in how.items():
                setattr(cluster.versions["v2"], name, value)

    cluster.on_look = look


def stables(cluster):
    return {each["config"]["stable"]["version"] for each in cluster.revisions}


@pytest.mark.parametrize("mode", ["Standard", "Knative"])
def test_a_good_version_becomes_stable_and_champion(new_cluster, rollout, mode):
    cluster = new_cluster(mode)
    settings(cluster, steps=[5, 50, 100])
    done = rollout("--to", "v2")
    assert done.exit_code == 0, done.stderr
    ways = ["Started", "Advanced", "Advanced", "Advanced", "Promoting", "Settled", "Promoted"]
    assert events(done) == (ways if mode == "Standard" else [each for each in ways if each != "Settled"])
    assert (cluster.split, cluster.champion) == (("v2", "", 0), "v2")
    weights = [each["config"].get("canary", {}).get("weight", 0) for each in cluster.revisions]
    assert weights == [0, 0, 0, 5, 50, 100, *([100, 0] if mode == "Standard" else [0])]
    assert "rollout Advanced: v1 95 %, v2 5 %: v2 is ready" in [
        each["info"]["description"] for each in cluster.revisions
    ]


@pytest.mark.parametrize("weight", [5, 50, 100])
def test_a_worse_version_is_rolled_back_at_any_step(cluster, rollout, weight):
    settings(cluster, steps=[5, 50, 100])
    bad_from(cluster, weight, faults=0.3)
    done = rollout("--to", "v2")
    assert done.exit_code == 1
    assert f"error: v2 was rolled back at {weight} %: 30.0% of its requests fail" in done.stderr
    assert "v1 has all traffic" in done.stderr
    assert (cluster.split, stables(cluster), cluster.champion) == (("v1", "v2", 0), {"v1"}, "v1")
    assert "rollout RolledBack: v1 100 %, v2 0 %: 30.0%" in cluster.revisions[-1]["info"]["description"]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"seconds": 0.02}, "its p50 is"),
        ({"approves": 0.65}, "it approves 65.0% of its applications, stable 50.0%"),
        ({"restarts": 1}, "its pods restarted 1 times"),
        ({"ready": False}, "it is not ready after 1 s: it cannot be loaded"),
    ],
)
def test_whatever_is_worse_under_traffic_is_rolled_back(cluster, rollout, how, why):
    bad_from(cluster, 50, **how)
    done = rollout("--to", "v2")
    assert done.exit_code == 1
    assert f"v2 was rolled back at 50 %: {why}" in done.stderr
    assert (cluster.split, stables(cluster)) == (("v1", "v2", 0), {"v1"})


@pytest.mark.parametrize(("weight", "left"), [(50, "v2"), (100, "")])
def test_a_worse_revision_is_rolled_back_in_knative_mode(new_cluster, rollout, weight, left):
    """One that has all of the traffic KServe takes for stable, so that it has to go."""
    cluster = new_cluster("Knative")
    bad_from(cluster, weight, faults=0.3)
    done = rollout("--to", "v2")
    assert done.exit_code == 1
    assert f"v2 was rolled back at {weight} %: 30.0% of its requests fail" in done.stderr
    assert (cluster.split, stables(cluster)) == (("v1", left, 0), {"v1"})


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"ready": False}, "it is not ready after 1 s: it cannot be loaded"),
        ({"ready": False, "restarts": 2}, "its pod restarted: it cannot be loaded"),
    ],
)
def test_a_version_that_does_not_start_gets_no_traffic(cluster, rollout, how, why):
    bad_from(cluster, 0)
    for name, value in how.items():
        setattr(cluster.versions["v2"], name, value)
    done = rollout("--to", "v2")
    assert done.exit_code == 1
    assert f"v2 was rolled back at 0 %: {why}" in done.stderr
    assert [each["config"].get("canary", {}).get("weight", 0) for each in cluster.revisions] == [0, 0, 0]


def test_a_mirrored_version_is_judged_before_it_takes_traffic(cluster, rollout):
    cluster.change({"canary": {"mirror": 50}})
    bad_from(cluster, 0, faults=0.3)
    done = rollout("--to", "v2")
    assert "v2 was rolled back at 0 %: 30.0% of its requests fail" in done.stderr


def test_a_version_that_the_registry_refuses_is_not_started(cluster, rollout):
    cluster.versions["v2"].refused = "v2 failed the gate: no better than chance."
    done = rollout("--to", "v2")
    assert (done.exit_code, cluster.helm) == (1, [])
    assert done.stderr == "error: v2 failed the gate: no better than chance.\n"


def test_a_version_that_somebody_has_promoted_before_is_rolled_out(cluster, rollout):
    cluster.champion = "v2"
    done = rollout("--to", "v2")
    assert done.exit_code == 0, done.stderr
    assert (events(done)[-1], cluster.split) == ("Promoted", ("v2", "", 0))


def test_the_latest_version_is_the_registrys(cluster, rollout):
    assert rollout("--to", "latest").exit_code == 0
    assert cluster.split == ("v2", "", 0)


def test_the_registry_is_looked_into_by_a_pod_as_the_platform_wants_pods(cluster, rollout):
    assert rollout("--to", "v2", "--dry-run").exit_code == 0
    metadata, pod = cluster.last_job["metadata"], cluster.last_job["spec"]["template"]["spec"]
    assert [each["name"] for each in pod["initContainers"]] == ["wait"]  # not the chart's own, which makes data
    assert pod["automountServiceAccountToken"] is False  # which a training on Spark has
    assert metadata["annotations"] == {"sidecar.istio.io/inject": "false"}


def test_with_too_little_traffic_it_stops_where_it_is_and_goes_on_when_run_again(cluster, rollout):
    settings(cluster, limitSeconds=0.1)
    cluster.requests_between_looks = 2
    done = rollout("--to", "v2")
    assert done.exit_code == 3
    assert "stopped: too little traffic to tell: " in done.stderr
    assert "The rollout stopped at v1 50 %, v2 50 %; run it again, or run `loan rollout abort`." in done.stderr
    assert events(done)[-1] == "Stopped"
    cluster.requests_between_looks = 1000
    settings(cluster, limitSeconds=5)
    again = rollout("--to", "v2")
    assert (again.exit_code, events(again)[0]) == (0, "Advanced")


@pytest.mark.parametrize(
    ("split", "first"),
    [
        (("v1", "v2", 0), "Advanced"),
        (("v1", "v2", 7), "Advanced"),
        (("v1", "v2", 100), "SteppedBack"),
        (("v2", "v2", 100), "Settled"),
        (("v2", "", 0), "Promoted"),
        (("v1", "v3", 0), "Started"),
        (("v2", "v3", 0), "Settled"),
    ],
)
def test_it_goes_on_from_any_state(cluster, rollout, split, first):
    cluster.split = split
    done = rollout("--to", "v2")
    assert (done.exit_code, events(done)[0]) == (0, first), done.stderr
    assert (cluster.split, cluster.champion) == (("v2", "", 0), "v2")


def test_at_the_last_step_it_compares_with_what_stable_has_done_before(cluster, rollout):
    cluster.split = ("v1", "v2", 100)
    cluster.answer(f"{FULL_NAME}-v1", "v1", 1000)
    done = rollout("--to", "v2")
    assert (done.exit_code, events(done)[0]) == (0, "Promoting"), done.stderr


@pytest.mark.parametrize("split", [("v1", "v3", 10), ("v3", "v3", 100)])
def test_another_canary_is_not_disturbed(cluster, rollout, split):
    cluster.split = split
    done = rollout("--to", "v2")
    assert (done.exit_code, cluster.split) == (1, split)
    assert "v3 is already the canary" in done.stderr


def test_when_somebody_else_moves_the_versions_it_ends(cluster, rollout):
    def look():
        cluster.on_look = lambda: None
        cluster.split = ("v1", "v2", 33)

    cluster.on_look = look
    done = rollout("--to", "v2")
    assert (done.exit_code, cluster.split) == (3, ("v1", "v2", 33))
    assert "Somebody else changed v1 50 %, v2 50 % to v1 67 %, v2 33 %" in done.stderr


def test_a_dry_run_prints_the_steps_and_changes_nothing(cluster, rollout):
    before = len(cluster.revisions)
    done = rollout("--to", "v2", "--dry-run")
    assert done.stdout.splitlines() == [
        "v1 100 %, v2 0 %: deploy v2 without traffic, and wait at most 1 s for it",
        "v1 50 %, v2 50 %: judge for 0 s and 100 requests of each, 5 s at most",
        "v1 0 %, v2 100 %: judge for 0 s and 100 requests of each, 5 s at most",
        "v2 becomes stable",
        "v2 becomes champion in the registry, and the canary is removed",
    ]
    assert (len(cluster.revisions), cluster.helm, cluster.leases, cluster.events) == (before, [], {}, [])


@pytest.mark.parametrize("weight", [0, 5, 100])
def test_abort_gives_stable_all_traffic(cluster, rollout, weight):
    cluster.split = ("v1", "v2", weight)
    done = rollout("abort")
    assert (done.exit_code, events(done), cluster.split) == (0, ["Aborted"], ("v1", "", 0))


@pytest.mark.parametrize(("split", "why"), [(("v1", "", 0), "Nothing to abort"), (("v2", "v2", 100), "already stable")])
def test_abort_says_when_there_is_nothing_to_abort(cluster, rollout, split, why):
    cluster.split = split
    done = rollout("abort")
    assert (done.exit_code, cluster.split) == (1, split)
    assert why in done.stderr


def test_abort_ends_a_rollout_that_runs(cluster, rollout):
    def look():
        cluster.on_look = lambda: None
        cluster.split = ("v1", "", 0)

    cluster.on_look = look
    assert rollout("--to", "v2").exit_code == 3
    assert cluster.split == ("v1", "", 0)


def test_ctrl_c_ends_it_between_two_steps(cluster, rollout):
    cluster.on_look = lambda: os.kill(os.getpid(), signal.SIGINT)
    done = rollout("--to", "v2")
    assert (done.exit_code, cluster.split) == (3, ("v1", "v2", 50))
    assert "stopped: Interrupted. The rollout stopped at v1 50 %, v2 50 %" in done.stderr
    assert cluster.leases[f"{FULL_NAME}-rollout"]["spec"].get("holderIdentity") is None


def test_ctrl_c_while_the_registry_is_asked_changes_nothing(cluster, rollout):
    cluster.on_job = lambda: os.kill(os.getpid(), signal.SIGINT)
    done = rollout("--to", "v2")
    assert (done.exit_code, cluster.helm, cluster.split) == (3, [], ("v1", "", 0))


def test_an_outage_is_waited_out(cluster, rollout):
    def look():
        cluster.on_look, back = lambda: None, time.monotonic() + 0.5
        cluster.is_away = lambda: time.monotonic() < back

    cluster.on_look = look
    done = rollout("--to", "v2")
    assert (done.exit_code, cluster.split) == (0, ("v2", "", 0)), done.stderr


def test_a_cluster_that_stays_away_is_told(cluster, rollout):
    cluster.is_away = lambda: True
    done = rollout("--to", "v2")
    assert done.exit_code == 1
    assert "error: The cluster cannot be reached: " in done.stderr


def test_an_upgrade_that_failed_is_tried_again(cluster, rollout, monkeypatch):
    monkeypatch.setattr(controller, "UPGRADE_PAUSE_SECONDS", 0)
    cluster.helm_fails = ["the object has been modified"]
    assert rollout("--to", "v2").exit_code == 0
    cluster.helm_fails = ["no"] * 3
    failed = rollout("--to", "v1")
    assert (failed.exit_code, cluster.split) == (1, ("v2", "", 0))
    assert "error: helm upgrade failed: no" in failed.stderr
