"""Pods that wait for a claim which another node has: what the command and an event on the claim say."""

import pytest

from rollout import claims
from tests.rollout.cluster import FULL_NAME

ELSEWHERE = {"nodeName": "n2"}
NOWHERE = {"message": "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match pod affinity rules."}


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(claims, "SETTLING_SECONDS", 0)


def told(cluster):
    return [each for each in cluster.events if each["involvedObject"]["kind"] == "PersistentVolumeClaim"]


@pytest.mark.parametrize(
    ("where", "so"),
    [
        (ELSEWHERE, "cannot mount it on node n2. Store the versions on a claim that is ReadWriteMany, or in a bucket"),
        (
            NOWHERE,
            "must run there too, but the scheduler cannot place it: 0/3 nodes are available: 1 Insufficient",
        ),
    ],
)
def test_a_registry_on_another_node_is_named_at_once(cluster, rollout, where, so):
    cluster.waiting["registry"] = where
    done = rollout("--to", "v2")
    assert done.exit_code == 1
    held = f"The claim models is ReadWriteOnce and is mounted on node n1 by the pod {FULL_NAME}-v1, so the pod "
    assert f"{held}loans-loan-model-registry-0 {so}" in done.stderr
    (event,) = told(cluster)
    assert (event["type"], event["reason"]) == ("Warning", "MountedOnOtherNode")
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "name": "models",
        "namespace": "bank",
        "uid": "claim",
    }
    assert event["message"].startswith(held)


def test_a_canary_on_another_node_is_rolled_back_with_the_reason(cluster, rollout):
    cluster.waiting[f"{FULL_NAME}-canary"] = ELSEWHERE
    done = rollout("--to", "v2")
    assert done.exit_code == 1
    assert f"so the pod {FULL_NAME}-canary-v2 cannot mount it on node n2." in done.stderr
    assert len(told(cluster)) == 1


def test_a_node_that_is_just_left_is_waited_for(cluster, rollout, monkeypatch):
    monkeypatch.setattr(claims, "SETTLING_SECONDS", 60)
    cluster.waiting[f"{FULL_NAME}-canary"] = ELSEWHERE
    done = rollout("--to", "v2")
    assert "it is not ready after 1 s" in done.stderr
    assert "models" not in done.stderr
    assert not told(cluster)


@pytest.mark.parametrize(("modes", "where"), [(["ReadWriteMany"], ELSEWHERE), (["ReadWriteOnce"], {"nodeName": "n1"})])
def test_a_claim_is_not_blamed_for_what_it_allows(cluster, rollout, modes, where):
    cluster.access_modes = modes
    cluster.waiting[f"{FULL_NAME}-canary"] = where
    assert "models" not in rollout("--to", "v2").stderr
    assert not told(cluster)
