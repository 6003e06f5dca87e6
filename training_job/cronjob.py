"""The training Jobs of a release, made as `kubectl create job --from=cronjob/NAME` makes them."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from lightkube import Client
from lightkube.resources.batch_v1 import CronJob, Job

CONTAINER = "training"


class Kept(NamedTuple):
    """A Job of a name of its own, which stays for so many seconds after it ended, however many come after it."""

    name: str
    seconds: int


class Trainings:
    """The Jobs of one CronJob. Each belongs to it, and is deleted with it; an error of the client is not caught."""

    def __init__(self, client: Client, cronjob: str, namespace: str) -> None:
        self._client = client
        self._cronjob = cronjob
        self._namespace = namespace

    def all(self) -> Iterator[Any]:
        """Those that are there, running or ended."""
        return (job for job in self._client.list(Job, namespace=self._namespace) if self.own(job))

    def running(self) -> str:
        """The name of one that runs; empty if none does."""
        return next((job.metadata.name for job in self.all() if not ended(job)), "")

    def own(self, job: Any) -> bool:
        """Whether the Job is one of these."""
        owners = job.metadata.ownerReferences or []
        return any((owner.kind, owner.name) == ("CronJob", self._cronjob) for owner in owners)

    def create(self, options: Sequence[str] = (), kept: Kept | None = None) -> str:
        """The name of a new one, whose training has more options than the template has."""
        cronjob = self._client.get(CronJob, self._cronjob, namespace=self._namespace).to_dict()
        body = _job(cronjob["metadata"], cronjob["spec"]["jobTemplate"], options)
        if kept:
            body["spec"]["ttlSecondsAfterFinished"] = kept.seconds
            body["metadata"] |= {"name": kept.name, "generateName": None}
            # The CronJob deletes ended Jobs beyond a number, but only those that it controls.
            body["metadata"]["ownerReferences"][0]["controller"] = False
        made = self._client.create(msgspec.convert(body, Job), namespace=self._namespace)
        return str(made.metadata and made.metadata.name)


def ended(job: Any) -> str:
    """Why the Job ended; empty while it runs."""
    for condition in job.status.conditions or []:
        if condition.type in ("Complete", "Failed") and condition.status == "True":
            return str(condition.message or condition.reason or condition.type)
    return ""


def _job(owner: dict[str, Any], template: dict[str, Any], options: Sequence[str]) -> dict[str, Any]:
    metadata = template.get("metadata") or {}
    for container in template["spec"]["template"]["spec"]["containers"]:
        if container["name"] == CONTAINER:
            container["args"] = [*container.get("args", []), *options]
    reference = {"apiVersion": "batch/v1", "kind": "CronJob", "name": owner["name"], "uid": owner["uid"]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "generateName": f"{owner['name']}-",
            "labels": metadata.get("labels"),
            "annotations": {**(metadata.get("annotations") or {}), "cronjob.kubernetes.io/instantiate": "manual"},
            "ownerReferences": [{**reference, "controller": True}],
        },
        "spec": template["spec"],
    }
