"""A training as a Kubernetes Job, against a stand-in for the cluster's API."""

import asyncio
import json

import pytest

from tabular_model.errors import ModelError
from tests.training_job.cluster import CRONJOB
from training_job.job import JobLauncher
from training_job.launch import AlreadyRunning, LaunchFailed, TrainingParameters

SOURCES = {"q3": "s3://bank/q3.csv"}
PUBLISHED = '{"version":"v2","passed":false,"reasons":["no better than chance"]}'


@pytest.fixture
def launcher(cluster):
    return JobLauncher("loan-model-training", "bank", SOURCES, cluster.client())


def start(launcher, **parameters):
    return asyncio.run(launcher.start(TrainingParameters(**parameters)))


def wait(launcher, name):
    return asyncio.run(launcher.wait(name, 0))


def test_a_job_is_the_template_with_the_callers_parameters(cluster, launcher):
    name = start(launcher, algorithm="logistic", use_protected=("Age",))
    job = cluster.jobs[name]
    pod = job["spec"]["template"]["spec"]
    assert pod["containers"][0]["args"] == ["train", "--seed=0", "--algorithm=logistic", "--use-protected=Age"]
    assert pod["initContainers"] == CRONJOB["spec"]["jobTemplate"]["spec"]["template"]["spec"]["initContainers"]
    assert job["metadata"]["labels"] == {"app.kubernetes.io/component": "training"}
    owner = job["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("CronJob", "loan-model-training", "abc")


def test_a_job_trains_on_the_source_that_was_named(cluster, launcher):
    job = cluster.jobs[start(launcher, data="q3")]
    assert job["spec"]["template"]["spec"]["containers"][0]["args"][-1] == "--data=s3://bank/q3.csv"


def test_one_training_at_a_time(cluster, launcher):
    first = start(launcher)
    assert wait(launcher, first).state == "running"
    with pytest.raises(AlreadyRunning, match=first):
        start(launcher)
    cluster.end(first, "Complete", ("training", 0, PUBLISHED))
    assert start(launcher) != first


def test_the_result_is_that_of_the_pod_that_ended_well(cluster, launcher):
    name = start(launcher)
    cluster.end(name, "Complete", ("training", 137, ""), ("training", 0, PUBLISHED))
    outcome = wait(launcher, name)
    assert (outcome.state, outcome.version, outcome.passed) == ("succeeded", "v2", False)
    assert outcome.reasons == ("no better than chance",)


@pytest.mark.parametrize(
    ("ends", "message", "error"),
    [
        ([("training", 1, "Training\nerror: Row 3 has no Age.\n")], "Job has reached the limit", "Row 3 has no Age."),
        ([("data", 1, "error: The disk is full.")], "Job has reached the limit", "The disk is full."),
        ([], "Job was active longer than specified deadline", "Job was active longer than specified deadline"),
    ],
)
def test_a_failure_says_why(cluster, launcher, ends, message, error):
    name = start(launcher)
    cluster.end(name, "Failed", *ends, message=message)
    assert (wait(launcher, name).state, wait(launcher, name).error) == ("failed", error)


def event(message, second):
    """As the scheduler writes it."""
    return {"metadata": {}, "involvedObject": {}, "message": message, "eventTime": f"2026-01-01T00:00:{second}.000000Z"}


@pytest.mark.parametrize(
    ("warned", "says"),
    [
        (["0/1 nodes are available: 1 Insufficient cpu.", "Failed to pull image"], "Failed to pull image"),
        (
            ['Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) loans-predictor-1'],
            'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) loans-predictor-1. Its pod mounts '
            "the claim models: one that is not ReadWriteMany is mounted by one node at a time, on which there must be "
            "room.",
        ),
        ([], ""),
    ],
)
def test_a_training_that_has_not_started_says_what_it_waits_for(cluster, launcher, warned, says):
    name = start(launcher)
    volumes = [{"name": "tmp", "emptyDir": {}}, {"name": "registry", "persistentVolumeClaim": {"claimName": "models"}}]
    spec = {"containers": [], "volumes": volumes}
    cluster.pods = [{"metadata": {"name": "training-1"}, "spec": spec, "status": {"phase": "Pending"}}]
    cluster.events = [event(message, 10 + second) for second, message in enumerate(warned)]
    assert wait(launcher, name).waits == says
    cluster.events = None
    assert (wait(launcher, name).state, wait(launcher, name).waits) == ("running", "")


def test_a_training_in_a_queue_says_so(cluster, launcher):
    name = start(launcher)
    cluster.jobs[name]["spec"]["suspend"] = True
    assert wait(launcher, name).waits == "its Job is suspended, until a queue has room for it."


def test_a_job_that_is_not_a_training_of_this_release_is_unknown(cluster, launcher):
    cluster.jobs["other"] = {
        "metadata": {"name": "other"},
        "status": {},
        "spec": CRONJOB["spec"]["jobTemplate"]["spec"],
    }
    for name in ("other", "absent"):
        with pytest.raises(KeyError):
            wait(launcher, name)
    assert start(launcher)


def test_a_refusal_of_the_cluster_is_told_in_its_words(cluster, launcher):
    cluster.refuses = "cronjobs"
    with pytest.raises(LaunchFailed, match="cronjobs is forbidden"):
        start(launcher)


def test_outside_a_cluster_it_trains_on_the_one_that_kubectl_points_at(cluster, tmp_path, monkeypatch):
    contexts = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": cluster.url}}],
        "users": [{"name": "me", "user": {}}],
    }
    (tmp_path / "config").write_text(json.dumps(contexts))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    assert start(JobLauncher("loan-model-training", "bank", {})) in cluster.jobs


def test_without_a_cluster_it_says_so(tmp_path, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    with pytest.raises(ModelError, match="No cluster was found"):
        JobLauncher("loan-model-training", "bank", {})
