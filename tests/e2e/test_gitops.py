"""The chart's controller beside a tool that applies the chart again and again: a good and a bad rollout."""

import json
import time

import pytest

from tests.e2e.cluster import HOST, Release, kubectl, wait_for
from tests.e2e.gateway import SteadyLoad, by_v2_rest
from tests.e2e.gitops import Git, SelfHealing
from tests.e2e.rollouts import Workshop, rollout


def values(mode, images):
    parts = {name: image.rsplit(":", 1) for name, image in images._asdict().items()}
    return {
        "mode": mode,
        "version": "v1",
        "image": {part: {"repository": name, "tag": tag} for part, (name, tag) in parts.items()},
        "gateway": {"hostnames": [HOST]},
        "training": {"run": True, "resources": {"requests": {"cpu": "20m"}}},
        "serving": {"replicas": {"max": 1}, "resources": {"requests": {"cpu": "20m"}}},
        "rollout": {
            "controller": {"enabled": True},
            "steps": [10, 50, 100],
            "stepSeconds": 5,
            "pollSeconds": 2,
            "readySeconds": 120,
            "judgement": {"minRequests": 200},
        },
    }


class Loans:
    """The release, and what its controller says of it."""

    def __init__(self, mode, images):
        self.mode = mode
        self.release = Release(f"gitops-{mode.lower()}", images.server, images.training)
        self.git = Git(self.release, values(mode, images))

    def condition(self):
        service = self.release.kubectl(
            "get", "inferenceservice", self.release.service, "--ignore-not-found", "--output=json"
        )
        conditions = json.loads(service or "{}").get("status", {}).get("conditions", [])
        found = {each["type"]: each for each in conditions}.get("RolledOut", {})
        return found.get("reason", ""), found.get("message", "")

    def wait_for(self, reason, version, seconds=300):
        """Until the condition has this reason and its message is about the version."""
        self.git.values["version"] = version

        def settled():
            said, message = self.condition()
            return said == reason and version in message

        wait_for(settled, seconds, f"{reason} {version}, and not {self.condition()}")

    def reasons(self):
        field = f"involvedObject.name={self.release.service}"
        return {each["reason"] for each in self.release.get("events", "--field-selector", field)["items"]}


@pytest.fixture(scope="module", params=["Standard", "Knative"])
def loans(request, images):
    mode = request.param
    if mode == "Knative" and not kubectl("get", "crd", "services.serving.knative.dev", "--ignore-not-found"):
        pytest.skip("This cluster has no Knative Serving, so the chart's Knative mode cannot be tried.")
    made = Loans(mode, images)
    try:
        made.git.apply()
        made.wait_for("RolledOut", "v1")
        wait_for(lambda: answers() == "v1", 120, "the first prediction")
        yield made
        if request.session.testsfailed:
            made.release.describe()
    finally:
        made.git.remove()
        made.release.remove()


def answers():
    try:
        return by_v2_rest()[0]
    except Exception:  # whatever it is, it is not an answer yet
        return ""


@pytest.fixture(scope="module")
def versions(loans, images):
    workshop = Workshop(loans.release, images.training)
    made = workshop.publish("identical", "generous")
    workshop.remove()
    return made


def test_a_good_and_a_bad_version_while_the_chart_is_applied_every_few_seconds(loans, versions, figure):
    good, bad = versions["identical"], versions["generous"]
    with SteadyLoad(pause=0.01, pairs=2) as load, SelfHealing(loans.git) as healing:
        wait_for(lambda: load.sent > 100, 30, "load")
        began = time.monotonic()
        loans.wait_for("RolledOut", good)
        rolled_out = time.monotonic() - began
        wait_for(lambda: answers() == good, 60, f"{good} alone")
        began = time.monotonic()
        loans.wait_for("RolledBack", bad)
        rolled_back = time.monotonic() - began
        seen = healing.times
        wait_for(lambda: healing.times >= seen + 3, 60, "the chart to be applied again")
        assert loans.condition()[0] == "RolledBack"
    figure(
        f"GitOps, {loans.mode}",
        f"{good} in {rolled_out:.0f} s, {bad} back in {rolled_back:.0f} s, applied {healing.times} times; "
        f"{len(load.failed)} of {load.sent} requests failed",
    )
    assert not healing.failures
    assert not load.failed, load.failed[:5]
    assert "of its applications" in loans.condition()[1]
    assert by_v2_rest()[0] == good
    assert {"Installed", "Started", "Advanced", "Promoted", "RolledBack"} <= loans.reasons()


def test_afterwards_the_cluster_is_as_git_says(loans):
    wait_for(lambda: not loans.git.difference(), 30, f"no difference, but\n{loans.git.difference()}")


def test_the_command_leaves_the_release_to_the_controller(loans):
    before = loans.condition()
    ended = rollout(loans.release, "--to", "v1")
    assert ended.code == 1
    assert "decides what the release demo runs" in ended.messages
    assert loans.condition() == before
