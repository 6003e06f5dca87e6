"""What follows what a monitor found, as it was declared: events of the cluster, and a training, but no promotion."""

import socket
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import msgspec
from lightkube import Client
from lightkube.generic_resource import create_namespaced_resource
from lightkube.resources.core_v1 import Event

from tabular_model.audit import operator, record
from tabular_model.errors import ModelError
from tabular_model.monitoring.findings import Check, Outcome
from tabular_model.monitoring.result import Monitored, VersionMonitored
from training_job.cronjob import Kept, Trainings, ended
from training_job.job import connect, in_a_sentence
from training_job.launch import LaunchFailed

COMPONENT = "loan-monitor"
LONGEST_NOTE = 1024  # what the API takes
DAY_SECONDS = 86_400
STARTED, NOT_STARTED = "TrainingStarted", "NoTraining"

_InferenceService = create_namespaced_resource("serving.kserve.io", "v1beta1", "InferenceService", "inferenceservices")


class Declared(NamedTuple):
    """Findings that are told, those that start a training and are told too, and days from one training to the next."""

    events: Set[Check]
    training: Set[Check]
    days: int


class FollowUp:
    """Follows up what was found of the versions of one release.

    A version has one training in so many days, whatever is found of it meanwhile: its Job has the version's name and
    stays so long. The Jobs are those of the CronJob `<service>-training`.
    """

    def __init__(self, service: str, declared: Declared, client: Client | None = None) -> None:
        """`service` is the release's InferenceService, which the events are about; ModelError without a cluster."""
        self._client = client or connect()
        self._service = service
        self._declared = declared
        self._trainings = Trainings(self._client, f"{service}-training", self._client.namespace)

    def follow(self, result: Monitored) -> str:
        """What was done about a training, in a sentence, empty if no finding asks for one.

        ModelError if the cluster refuses, or does not answer.
        """
        with _of_the_cluster():
            training = self._train(result.versions)
            told = list(_told(result, self._declared.events | self._declared.training))
            about = self._about() if told else {}
            for reason, message in told:
                self._tell(about, "Warning", reason, message)
            if training:
                self._tell(about, "Normal", *training)
        return training[1] if training else ""

    def _train(self, versions: Iterable[VersionMonitored]) -> tuple[str, str] | None:
        """A reason and a sentence: one training for the newest of the versions that ask for one."""
        asking = [(each.version, found) for each in versions if (found := _found(each) & self._declared.training)]
        if not asking:
            return None
        version, found = asking[-1]
        name = f"{self._service}-training-{version}"
        if why := self._against(name):
            return NOT_STARTED, f"No training was started for {version}, because {why}"
        self._trainings.create(kept=Kept(name, self._declared.days * DAY_SECONDS))
        because = f"because of {', '.join(sorted(found))} of {version}"
        record("train", who=f"{operator()}@{socket.gethostname()}", what=name, result="started", why=because)
        return STARTED, (
            f"The training {name} was started {because}. What it publishes is judged by the gate, and is not promoted "
            "unless somebody does it."
        )

    def _against(self, name: str) -> str:
        """Why no training may start now; empty if one may."""
        for job in self._trainings.all():
            if not ended(job):
                return f"{job.metadata.name} is running."
            if job.metadata.name == name:
                return (
                    f"{name} was started on {job.metadata.creationTimestamp:%Y-%m-%d}: the next one may start "
                    f"{self._declared.days} days after its end, or when that Job is deleted."
                )
        return ""

    def _about(self) -> dict[str, Any]:
        service: Any = self._client.get(_InferenceService, self._service)
        return {
            "apiVersion": service.apiVersion,
            "kind": service.kind,
            "name": self._service,
            "namespace": self._client.namespace,
            "uid": service.metadata.uid,
        }

    def _tell(self, about: dict[str, Any], kind: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        now = datetime.now(UTC)
        body = {
            "metadata": {"generateName": f"{self._service}-monitor-", "namespace": self._client.namespace},
            "involvedObject": about,
            "type": kind,
            "reason": reason,
            "message": message[:LONGEST_NOTE],
            "source": {"component": COMPONENT, "host": socket.gethostname()},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        self._client.create(msgspec.convert(body, Event))


def _found(version: VersionMonitored) -> set[Check]:
    return {each.check for each in version.having(Outcome.found)}


def _told(result: Monitored, checks: Set[Check]) -> Iterator[tuple[str, str]]:
    """Of each version and check that found something, a reason such as ScoreDrift, and its sentences."""
    for version in result.versions:
        for check in sorted(_found(version) & checks):
            sentences = [each.sentence for each in version.having(Outcome.found) if each.check == check]
            reason = check.replace("-", " ").title().replace(" ", "")
            yield reason, f"{version.version} from {result.first} to {result.last}: {' '.join(sentences)}"


@contextmanager
def _of_the_cluster() -> Iterator[None]:
    try:
        with in_a_sentence():
            yield
    except LaunchFailed as error:
        raise ModelError(f"What was found is kept, but not followed up. {error}") from error
