"""`loan rollout` on the cluster: a good version goes all the way; each kind of bad one is caught and rolled back."""

import json
import re
import shlex
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.cluster import ROOT, forwarded, run, wait_for
from tests.e2e.gateway import SteadyLoad, by_v2_rest
from tests.e2e.rollouts import Rollout, Workshop, judge, rollout
from tests.e2e.test_release_on_a_claim import answers

VALUES = {
    "training.run": "true",
    "serving.replicas.max": "1",  # so that a step does not wait for the autoscaler
    "rollout.steps": "{10,50,100}",
    "rollout.stepSeconds": "8",
    "rollout.limitSeconds": "90",
    "rollout.readySeconds": "90",
    "rollout.pollSeconds": "2",
    "rollout.judgement.minRequests": "300",
}
KINDS = ("failing", "slow", "crashing", "generous", "identical")
OUTCOMES = {
    "failing": "of its requests fail",
    "slow": "its p50 is",
    "crashing": "cannot be loaded as an ONNX model",
    "generous": "of its applications",
}


def load() -> SteadyLoad:
    """Some two hundred applications a second."""
    return SteadyLoad(pause=0.01, pairs=2)


def split(release):
    values = json.loads(release.helm("get", "values", release.name, "--all", "--output", "json"))
    return values["stable"]["version"], values["canary"]["version"], values["canary"]["weight"]


@pytest.fixture
def equal(release, versions):
    """A version as good as stable that is not stable."""
    return "v1" if split(release)[0] != "v1" else versions["identical"]


@pytest.fixture(scope="module", autouse=True)
def installed(release):
    release.install(*(word for name, value in VALUES.items() for word in ("--set", f"{name}={value}")))
    release.kubectl("apply", "--filename", str(Path(__file__).with_name("prometheus.yaml")))
    release.wait(f"job/{release.service}-training-initial", "condition=Complete")
    release.upgrade("--set", "stable.version=v1")
    release.wait(f"inferenceservice/{release.service}", "condition=Ready")
    wait_for(lambda: answers("v1"), 60, "the first prediction")
    release.kubectl("rollout", "status", "deployment/prometheus", "--timeout=60s")


@pytest.fixture(scope="module", autouse=True)
def prometheus(release, installed):
    with forwarded(release.namespace, "service/prometheus", 9090) as port:
        release.upgrade("--set", f"rollout.prometheus.url=http://127.0.0.1:{port}")
        yield


@pytest.fixture(scope="module")
def workshop(release, installed, images):
    made = Workshop(release, images.training)
    yield made
    made.remove()


@pytest.fixture(scope="module")
def versions(workshop):
    """Bad versions by kind, and good ones."""
    workshop.run("loan", "data", "--output", "/tmp/data.csv")
    workshop.run("loan", "data", "--output", "/tmp/more.csv", "--rows", "20000", "--seed", "1")
    workshop.run("loan", "data", "--output", "/tmp/shuffled.csv", "--shuffle-target")
    good = workshop.train("--data", "/tmp/more.csv", "--algorithm", "gradient_boosting")
    shuffled = workshop.train("--data", "/tmp/shuffled.csv")
    made = workshop.publish(*KINDS, "identical")
    changed = workshop.publish("identical")["identical"]
    workshop.run("sh", "-c", f"chmod u+w /registry/{changed}/model.onnx; echo >> /registry/{changed}/model.onnx")
    return made | {"good": good, "shuffled": shuffled, "changed": changed}


@pytest.mark.parametrize("kind", OUTCOMES)
def test_a_bad_version_is_rolled_back(release, versions, figure, kind):
    with load() as applications:
        ended = rollout(release, "--to", versions[kind])
        time.sleep(1)
        sent = applications.sent
        wait_for(lambda: applications.sent > sent + 100, 30, "stable to answer")
    last = ended.decisions[-1]
    failed = f"{len(applications.failed)} of {applications.sent} requests failed"
    figure(f"rollback, {kind}", f"at {last['before']['weight']} %, {ended.seconds:.0f} s; {failed}: {last['why']}")
    assert ended.code == 1, ended.messages
    assert last["event"] == "RolledBack"
    assert OUTCOMES[kind] in last["why"]
    assert split(release) == ("v1", versions[kind], 0)
    assert f"rollout RolledBack: v1 100 %, {versions[kind]} 0 %" in release.helm("history", release.name)
    assert kind == "failing" or not applications.failed
    alone = judge(release, "v1", versions[kind], ended.seconds + 30)
    assert (alone.returncode, "worse" in alone.stdout) == (1, True), alone.stdout + alone.stderr
    assert rollout(release, "abort").code == 0
    assert split(release) == ("v1", "", 0)


@pytest.mark.parametrize(
    ("kind", "why"), [("changed", "was changed after it was published"), ("shuffled", "failed the gate")]
)
def test_a_version_that_is_not_fit_gets_no_traffic(release, versions, figure, kind, why):
    ended = rollout(release, "--to", versions[kind])
    figure(f"refused, {kind}", f"before any traffic, {ended.seconds:.0f} s")
    assert ended.code == 1
    assert why in ended.messages
    assert split(release) == ("v1", "", 0)


def test_a_good_version_takes_all_traffic_and_no_request_fails(release, versions, workshop, figure):
    good = versions["good"]
    with load() as applications:
        wait_for(lambda: applications.sent > 100, 30, "load")
        ended = rollout(release, "--to", good)
        time.sleep(2)
    figure(
        "rollout of a good version", f"{len(applications.failed)} of {applications.sent} failed; {ended.seconds:.0f} s"
    )
    assert ended.code == 0, ended.messages
    assert not applications.failed
    steps = ["Started", "Advanced", "Advanced", "Advanced", "Promoting", "Settled", "Promoted"]
    assert [each["event"] for each in ended.decisions] == steps
    assert all(each["who"] and each["at"] and each["why"] for each in ended.decisions)
    assert split(release) == (good, "", 0)
    assert by_v2_rest()[0] == good
    listed = json.loads(workshop.run("loan", "versions", "list", "--output", "json"))
    assert [each["version"] for each in listed if each["champion"]] == [good]
    events = release.get("events", "--field-selector", f"involvedObject.name={release.service}")["items"]
    assert {"Started", "Promoted"} <= {each["reason"] for each in events}


def test_a_rollout_that_is_killed_at_each_step_goes_on_when_it_is_run_again(release, equal, figure):
    """From the pods' own metrics; by SIGKILL after each decision but every second time, by Ctrl-C."""
    ways = []
    release.upgrade("--set", "rollout.prometheus.url=", "--set", "rollout.steps={50,100}")
    with load() as applications:
        for number in range(12):
            way = (signal.SIGKILL, signal.SIGINT)[number % 2]
            with Rollout(release, "--to", equal) as run:
                run.wait_for_decisions(1)
                run.send(way)
                ended = run.end()
            if ended.decisions and ended.decisions[-1]["event"] == "Promoted":
                break
            assert ended.code in (-signal.SIGKILL, 3), ended.messages
            ways.append(f"{ended.decisions[-1]['event']} {way.name}")
            if way is signal.SIGKILL:
                time.sleep(16)  # its lease ends
        time.sleep(1)
    figure(
        "rollout killed and run again", f"{', '.join(ways)}; {len(applications.failed)} of {applications.sent} failed"
    )
    assert split(release) == (equal, "", 0)
    assert not applications.failed


def test_two_at_once_the_second_is_refused_and_an_abort_ends_the_first(release, equal):
    before = split(release)
    release.upgrade("--set", "rollout.stepSeconds=600")
    with load(), Rollout(release, "--to", equal) as first:
        first.wait_for_decisions(2)
        second = rollout(release, "--to", equal)
        assert second.code == 1
        assert "Another rollout is running" in second.messages
        shown = rollout(release, "status")
        assert shown.code == 0
        assert rollout(release, "abort").code == 0
        ended = first.end()
    assert ended.code == 3
    assert "Somebody else changed" in ended.messages
    assert split(release) == before
    release.upgrade("--set", f"rollout.stepSeconds={VALUES['rollout.stepSeconds']}")


def test_too_little_traffic_is_its_own_answer(release, equal):
    stable = split(release)[0]
    release.upgrade("--set", "rollout.limitSeconds=5")
    ended = rollout(release, "--to", equal)
    assert ended.code == 3
    assert "too little traffic to tell" in ended.messages
    assert split(release) == (stable, equal, 50)
    assert rollout(release, "abort").code == 0


def test_a_job_in_the_cluster_rolls_out_with_its_own_rights(release, equal, images):
    repository, tag = images.rollout.rsplit(":", 1)
    release.upgrade(
        *("--set", "rollout.enabled=true", "--set", "rollout.limitSeconds=90"),
        *("--set", f"image.rollout.repository={repository}", "--set", f"image.rollout.tag={tag}"),
        *("--set", f"rollout.to={equal}"),
    )
    with load() as applications:
        release.kubectl("create", "job", "by-itself", f"--from=cronjob/{release.service}-rollout")
        ended = "jsonpath={.status.conditions[?(@.status=='True')].type}"
        wait_for(lambda: release.kubectl("get", "job/by-itself", f"--output={ended}"), 300, "the Job to end")
    assert "Complete" in release.kubectl("get", "job/by-itself", f"--output={ended}"), release.kubectl(
        "logs", "job/by-itself"
    )
    assert split(release) == (equal, "", 0)
    assert not applications.failed


def test_a_release_of_helm_changes_over_to_the_controller_and_fails_no_request(release, figure):
    """By the commands of docs/gitops.md."""
    version = split(release)[0]
    page = (ROOT / "docs/gitops.md").read_text()
    commands = next(block for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "resource-policy" in block)
    for written, here in (
        ("instance=loans", f"instance={release.name}"),
        ("upgrade loans", f"upgrade {release.name}"),
        ("version=v1", f"version={version}"),
        ("lending", release.namespace),
    ):
        commands = commands.replace(written, here)
    release.upgrade("--set", "rollout.enabled=false")
    before = release.get(f"inferenceservice/{release.service}")["metadata"]["uid"]
    with load() as applications:
        wait_for(lambda: applications.sent > 100, 30, "load")
        for command in commands.strip().splitlines():
            run(*shlex.split(command), cwd=ROOT)
        condition = 'jsonpath={.status.conditions[?(@.type=="RolledOut")].status}'
        service = f"inferenceservice/{release.service}"
        wait_for(lambda: release.kubectl("get", service, f"--output={condition}") == "True", 120, "the controller")
        time.sleep(5)
    figure("from Helm to the controller", f"{len(applications.failed)} of {applications.sent} requests failed")
    assert release.get(service)["metadata"]["uid"] == before
    assert set(applications.versions) == {version}
    assert not applications.failed
