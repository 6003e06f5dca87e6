"""What breaks on a cluster: killed pods, a node that stands still, values that are wrong."""

import json
import time

import pytest

from tests.e2e.cluster import kubectl, run, wait_for
from tests.e2e.gateway import SteadyLoad, by_v2_rest
from tests.e2e.test_release_on_a_claim import answers


@pytest.fixture(scope="module", autouse=True)
def installed(release):
    values = ("training.run=true", "serving.replicas.min=2", "training.backoffLimit=4", "gateway.envoyGateway.retries=3")
    release.install(*(word for value in values for word in ("--set", value)))
    release.wait(f"job/{release.service}-training-initial", "condition=Complete")
    release.upgrade("--set", "stable.version=v1")
    release.wait(f"inferenceservice/{release.service}", "condition=Ready")
    wait_for(lambda: answers("v1"), 60, "the first prediction")
    release.wait_until_rolled_out()


def test_a_predictor_killed_under_load(release, figure):
    with SteadyLoad() as load:
        wait_for(lambda: load.sent > 50, 30, "load")
        release.kubectl("delete", "pod", release.pods()[0], "--grace-period=0", "--force")
        time.sleep(3)
        release.wait_until_rolled_out()
    figure("predictor killed with SIGKILL under load", f"{len(load.failed)} of {load.sent} requests failed")
    print(*load.failed, sep="\n")
    assert len(load.failed) <= 5  # those that were in the pod when it was killed
    assert by_v2_rest()[0] == "v1"


def test_a_predictor_deleted_under_load(release, figure):
    with SteadyLoad() as load:
        wait_for(lambda: load.sent > 50, 30, "load")
        release.kubectl("delete", "pod", release.pods()[0], "--wait=false")
        time.sleep(3)
        release.wait_until_rolled_out()
    figure("predictor deleted under load", f"{len(load.failed)} of {load.sent} requests failed")
    assert not load.failed


def test_a_training_killed_while_it_publishes_is_tried_again_and_publishes_once(release, figure):
    """Killed over and over, at every stage, until one is let through."""
    job = "retried"
    release.kubectl("create", "job", job, f"--from=cronjob/{release.service}-training")
    kills = 0
    for pause in (1, 3, 5):
        pods = []
        while not pods:
            time.sleep(0.2)
            pods = [pod for pod in release.get("pods", f"--selector=job-name={job}")["items"] if running(pod)]
        time.sleep(pause)
        name = pods[0]["metadata"]["name"]
        release.kubectl("delete", "pod", name, "--grace-period=0", "--force", check=False)
        kills += 1
    release.wait(f"job/{job}", "condition=Complete")
    release.upgrade("--set", "stable.version=v2")
    wait_for(lambda: answers("v2"), 90, "the version that the retried training published")
    release.wait_until_rolled_out()
    versions = [name for name in in_registry(release) if name.startswith("v")]
    with_manifest = [name for name in versions if "manifest.json" in in_registry(release, name)]
    figure("training killed", f"{kills} times; published {', '.join(with_manifest)}")
    assert with_manifest == ["v1", "v2"]


def test_a_node_that_stands_still(release, figure):
    context = kubectl("config", "current-context").strip()
    if not context.startswith("kind-"):
        pytest.skip("only a kind node can be paused")
    node = f"{context.removeprefix('kind-')}-control-plane"
    with SteadyLoad() as load:
        wait_for(lambda: load.sent > 50, 30, "load")
        run("docker", "pause", node)
        time.sleep(10)
        run("docker", "unpause", node)
        before = load.sent
        wait_for(lambda: load.sent > before + 50, 60, "answers after the pause")
    figure("node paused for 10 s", f"{len(load.failed)} of {load.sent} requests failed")
    print(*load.failed, sep="\n")
    wait_for(lambda: answers("v2"), 60, "an answer")


WRONG = {
    "unknown version": (["--set", "stable.version=v9"], "no version v9"),
    "missing claim": (["--set", "storage.pvc.existingClaim=absent"], 'persistentvolumeclaim \\"absent\\" not found'),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_values_name_their_cause_and_the_old_version_keeps_serving(release, figure, case):
    values, cause = WRONG[case]
    release.upgrade(*values)
    seconds = wait_for(lambda: cause in release.why(), 60, f"«{cause}» in a condition or an event")
    figure(f"cause named, {case}", f"{seconds:.0f} s after helm upgrade")
    assert by_v2_rest()[0] == "v2"
    release.helm("rollback", release.name)
    release.wait_until_rolled_out()


def running(pod):
    states = pod["status"].get("containerStatuses", [])
    return any("running" in status["state"] for status in states)


def in_registry(release, folder=""):
    """The names in a folder of the registry, through a pod that mounts the claim."""
    mount = {"name": "registry", "mountPath": "/registry", "readOnly": True}
    container = {
        "name": "ls",
        "image": release.server_image,
        "command": ["ls", f"/registry/{folder}"],
        "volumeMounts": [mount],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    claim = {"name": "registry", "persistentVolumeClaim": {"claimName": f"{release.service}-registry"}}
    security = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [container], "volumes": [claim], "securityContext": security, "restartPolicy": "Never"}
    name = f"ls-{time.time_ns()}"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    release.kubectl("apply", "--filename", "-", input=json.dumps(pod))
    release.kubectl("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    return release.kubectl("logs", name).split()
