"""What follows what a monitor found, against a stand-in for the cluster's API."""

import msgspec
import pytest

from tabular_model.errors import ModelError
from tabular_model.monitoring.findings import Check, Outcome
from tests.tabular_model.monitoring.results import DAY, result
from tests.training_job.cluster import CRONJOB
from training_job.follow_up import Declared, FollowUp

PUBLISHED = '{"version":"v3","passed":true,"reasons":[]}'
JOB = "loan-model-training-v2"


@pytest.fixture
def monitored(trained_registry):
    """The result of a window in which so much was found of v2, or of other versions."""
    made = result(trained_registry, last=DAY)
    (version,) = made.versions

    def of(*found, versions=("v2",)):
        findings = [
            msgspec.structs.replace(each, outcome=Outcome.found if each.check in found else Outcome.fine)
            for each in version.findings
        ]
        seen = [msgspec.structs.replace(version, version=name, findings=findings) for name in versions]
        return msgspec.structs.replace(made, versions=seen)

    return of


@pytest.fixture
def follow(cluster):
    """Follows up as declared, by default each finding by an event and drift of a column by a training."""

    def follow(result, events=frozenset(Check), training=frozenset({Check.drift}), days=30):
        return FollowUp("loan-model", Declared(events, training, days), cluster.client()).follow(result)

    return follow


def reasons(cluster):
    return [event["reason"] for event in cluster.told]


def test_each_finding_is_an_event_of_the_inference_service(cluster, follow, monitored):
    found = monitored(Check.score_drift, Check.approval)
    assert follow(found) == ""
    assert reasons(cluster) == ["Approval", "ScoreDrift"]
    approval = cluster.told[0]
    sentence = next(each.sentence for each in found.versions[0].findings if each.check == Check.approval)
    assert approval["message"] == f"v2 from 2026-03-01 to 2026-03-31: {sentence}"
    assert (approval["type"], approval["metadata"]["namespace"]) == ("Warning", "bank")
    about = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
    assert approval["involvedObject"] == about | {"name": "loan-model", "namespace": "bank", "uid": "def"}
    assert not cluster.jobs


def test_what_was_not_declared_is_not_told(cluster, follow, monitored):
    follow(monitored(Check.score_drift, Check.approval), events={Check.approval})
    assert reasons(cluster) == ["Approval"]


def test_without_a_finding_nothing_follows(cluster, follow, monitored):
    cluster.refuses = "bank"
    assert follow(monitored()) == ""
    assert not cluster.told


def test_a_finding_starts_a_training_and_is_told(cluster, follow, monitored, capsys):
    done = follow(monitored(Check.drift), events=frozenset())
    assert done == (
        f"The training {JOB} was started because of drift of v2. What it publishes is judged by the gate, and is not "
        "promoted unless somebody does it."
    )
    assert reasons(cluster) == ["Drift", "TrainingStarted"]
    assert (cluster.told[1]["type"], cluster.told[1]["message"]) == ("Normal", done)
    job = cluster.jobs[JOB]
    template = CRONJOB["spec"]["jobTemplate"]
    assert job["spec"]["template"]["spec"]["containers"] == template["spec"]["template"]["spec"]["containers"]
    assert job["metadata"]["labels"] == template["metadata"]["labels"]
    audited = capsys.readouterr().err
    assert '"audit":"train"' in audited
    assert f'"what":"{JOB}"' in audited


def test_the_job_stays_for_the_days_however_many_trainings_follow(cluster, follow, monitored):
    follow(monitored(Check.drift), days=7)
    job = cluster.jobs[JOB]
    assert job["spec"]["ttlSecondsAfterFinished"] == 7 * 24 * 3600
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("CronJob", "loan-model-training", False)


@pytest.mark.parametrize("condition", ["Complete", "Failed"])
def test_a_version_is_trained_for_once_while_the_job_stays(cluster, follow, monitored, condition):
    follow(monitored(Check.drift))
    cluster.end(JOB, condition, ("training", 0, PUBLISHED))
    again = follow(monitored(Check.drift, Check.approval), training={Check.approval})
    assert again == (
        f"No training was started for v2, because {JOB} was started on 2026-03-01: the next one may start 30 days "
        "after its end, or when that Job is deleted."
    )
    assert reasons(cluster)[-1] == "NoTraining"
    assert list(cluster.jobs) == [JOB]
    del cluster.jobs[JOB]
    assert "was started" in follow(monitored(Check.drift))


def test_one_training_at_a_time(cluster, follow, monitored):
    follow(monitored(Check.drift))
    done = follow(monitored(Check.drift, versions=("v3",)))
    assert done == f"No training was started for v3, because {JOB} is running."
    cluster.end(JOB, "Complete", ("training", 0, PUBLISHED))
    follow(monitored(Check.drift, versions=("v3",)))
    assert list(cluster.jobs) == [JOB, "loan-model-training-v3"]


def test_of_several_versions_the_newest_is_trained_for(cluster, follow, monitored):
    follow(monitored(Check.drift, versions=("v2", "v3")))
    assert list(cluster.jobs) == ["loan-model-training-v3"]
    assert reasons(cluster) == ["Drift", "Drift", "TrainingStarted"]


def test_a_long_message_is_cut_to_what_the_cluster_takes(cluster, follow, monitored):
    found = monitored(Check.approval)
    long = [msgspec.structs.replace(each, sentence="x" * 2000) for each in found.versions[0].findings]
    follow(msgspec.structs.replace(found, versions=[msgspec.structs.replace(found.versions[0], findings=long)]))
    assert len(cluster.told[0]["message"]) == 1024


@pytest.mark.parametrize("refused", ["events", "inferenceservices", "cronjobs", "jobs"])
def test_a_refusal_of_the_cluster_is_told_in_its_words(cluster, follow, monitored, refused):
    cluster.refuses = refused
    with pytest.raises(
        ModelError, match=f"^What was found is kept, but not followed up. The cluster refused: .*{refused}"
    ):
        follow(monitored(Check.drift))


def test_a_cluster_that_does_not_answer(cluster, monitored):
    cluster.url = "http://127.0.0.1:9"
    follow_up = FollowUp("loan-model", Declared(set(), {Check.drift}, 30), cluster.client())
    with pytest.raises(ModelError, match="The cluster does not answer"):
        follow_up.follow(monitored(Check.drift))
