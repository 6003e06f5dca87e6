"""One rollout at a time."""

from datetime import UTC, datetime, timedelta

import pytest
from kubernetes import client

from rollout import lease as module
from rollout.errors import Refused, RolledBack
from rollout.lease import Lease
from tests.rollout.cluster import FULL_NAME

NAME = f"{FULL_NAME}-rollout"


@pytest.fixture
def lease(cluster):
    """Makes the lease of a holder."""
    api = client.CoordinationV1Api(client.ApiClient(client.Configuration(host=cluster.url)))
    return lambda holder: Lease(NAME, "bank", holder, api)


def held(cluster):
    return cluster.leases[NAME]["spec"].get("holderIdentity")


def taken(cluster, age, holder="somebody"):
    """Another has held it, and renewed it so many seconds ago."""
    renewed = (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": renewed}
    cluster.leases[NAME] = {"metadata": {"name": NAME, "resourceVersion": "7"}, "spec": spec}


def test_it_is_held_while_a_rollout_runs_and_given_back(cluster, lease):
    for _ in range(2):
        with lease("me"):
            assert held(cluster) == "me"
        assert held(cluster) is None


def test_a_second_rollout_is_refused_and_told_who_runs(cluster, lease, rollout):
    with lease("anna@laptop, process 7"):
        done = rollout("--to", "v2")
    assert (done.exit_code, cluster.helm) == (1, [])
    assert "error: Another rollout is running, by anna@laptop, process 7." in done.stderr
    assert f"its lease {NAME} ends in 1" in done.stderr


def test_one_that_expired_is_taken_over(cluster, lease):
    taken(cluster, age=16)
    with lease("me"):
        assert held(cluster) == "me"


def test_of_two_at_once_one_is_refused(cluster, lease, monkeypatch):
    taken(cluster, age=16)
    mine, theirs = lease("me"), lease("you")
    read = Lease._read
    found = read(mine)
    with theirs:
        monkeypatch.setattr(mine, "_read", lambda: found)
        with pytest.raises(Refused, match="Another rollout has just acquired the lease"):
            mine.__enter__()
        assert held(cluster) == "you"


def test_it_is_renewed(cluster, lease, monkeypatch, wait_for):
    monkeypatch.setattr(module, "SECONDS", 1)
    with lease("me"):
        first = cluster.leases[NAME]["spec"]["renewTime"]
        wait_for(lambda: cluster.leases[NAME]["spec"]["renewTime"] != first)


def test_a_rollout_whose_lease_is_lost_ends_and_leaves_it_to_its_holder(cluster, rollout, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 1)
    cluster.requests_between_looks = 2
    cluster.on_look = lambda: taken(cluster, age=0)
    done = rollout("--to", "v2")
    assert (done.exit_code, held(cluster)) == (3, "somebody")
    assert "stopped: Its lease was lost. The rollout stopped at v1 50 %, v2 50 %" in done.stderr


def test_one_that_cannot_be_renewed_is_lost_when_its_time_is_up(cluster, lease, monkeypatch, wait_for):
    monkeypatch.setattr(module, "SECONDS", 1)
    with lease("me") as mine:
        cluster.is_away = lambda: True
        wait_for(lambda: mine.lost)
    assert mine.lost == "Its lease was lost"


def test_a_cluster_that_is_away_at_the_end_does_not_hide_how_it_ended(cluster, lease):
    def end():
        with lease("me"):
            cluster.is_away = lambda: True
            raise RolledBack("it was worse")

    with pytest.raises(RolledBack):
        end()


def test_a_lease_that_was_deleted_is_not_missed(cluster, lease):
    with lease("me"):
        cluster.leases.clear()
