"""A training as a Kubernetes Job, made from the template that a CronJob holds."""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from tabular_model.errors import ModelError
from training_job.launch import (
    AlreadyRunning,
    LaunchFailed,
    Outcome,
    TrainingParameters,
    arguments,
    last_line,
    succeeded,
)

CONTAINER = "training"
POLL_SECONDS = 1.0


class JobLauncher:
    """Creates Jobs as `kubectl create job --from=cronjob/NAME` does, with the caller's parameters added.

    The training writes its result, one line of JSON, or its error as the container's termination message, so
    that no log has to be read. A Job belongs to its CronJob, and goes when that does.
    """

    def __init__(
        self, cronjob: str, namespace: str, sources: Mapping[str, str], api: client.ApiClient | None = None
    ) -> None:
        if api is None:
            connect()
        self._batch: Any = client.BatchV1Api(api)
        self._core: Any = client.CoreV1Api(api)
        self._cronjob = cronjob
        self._namespace = namespace
        self.sources = sources

    async def start(self, parameters: TrainingParameters) -> str:
        """The Job's name; AlreadyRunning while another of the CronJob runs, LaunchFailed if the cluster refuses it."""
        with _sentence():
            return await asyncio.to_thread(self._start, parameters)

    async def wait(self, name: str, seconds: float) -> Outcome:
        """Asks each second; KeyError for a Job that is not the CronJob's, LaunchFailed if the cluster refuses."""
        with _sentence():
            return await asyncio.to_thread(self._wait, name, seconds)

    async def stop(self) -> None:
        """A Job goes on without the server that started it."""

    def _start(self, parameters: TrainingParameters) -> str:
        for job in self._batch.list_namespaced_job(self._namespace).items:
            if self._owns(job) and not _ended(job):
                name = job.metadata.name
                raise AlreadyRunning(f"Training {name} is running; ask for it at /train/{name}.")
        cronjob = self._batch.read_namespaced_cron_job(self._cronjob, self._namespace)
        template = self._batch.api_client.sanitize_for_serialization(cronjob.spec.job_template)
        job = self._batch.create_namespaced_job(self._namespace, _job(cronjob, template, parameters, self.sources))
        return str(job.metadata.name)

    def _wait(self, name: str, seconds: float) -> Outcome:
        deadline = time.monotonic() + seconds
        while not (reason := _ended(self._read(name))):
            if time.monotonic() >= deadline:
                return Outcome(name=name, state="running")
            time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))
        message, good = self._last_message(name)
        if good:
            return succeeded(name, message)
        return Outcome(name=name, state="failed", error=message or reason)

    def _read(self, name: str) -> Any:
        """The Job; KeyError unless it is there and was made from this CronJob."""
        try:
            job = self._batch.read_namespaced_job(name, self._namespace)
        except ApiException as error:
            if error.status == 404:
                raise KeyError(name) from None
            raise
        if not self._owns(job):
            raise KeyError(name)
        return job

    def _owns(self, job: Any) -> bool:
        owners = job.metadata.owner_references or []
        return any((owner.kind, owner.name) == ("CronJob", self._cronjob) for owner in owners)

    def _last_message(self, name: str) -> tuple[str, bool]:
        """The last line that a pod of the Job left, and whether it ended well."""
        pods = self._core.list_namespaced_pod(self._namespace, label_selector=f"batch.kubernetes.io/job-name={name}")
        ends = [
            (ended.exit_code == 0 and status.name == CONTAINER, ended.finished_at, ended.message or "")
            for pod in pods.items
            for status in (pod.status.init_container_statuses or []) + (pod.status.container_statuses or [])
            if (ended := status.state.terminated) and (status.name == CONTAINER or ended.exit_code)
        ]
        if not ends:
            return "", False
        good, _, message = max(ends)
        return last_line(message.encode()).removeprefix("error: "), good


def connect() -> None:
    """The cluster that this pod runs in, else the one that kubectl points at."""
    try:
        config.load_incluster_config()  # type: ignore[no-untyped-call]
    except config.ConfigException:
        try:
            config.load_kube_config()  # type: ignore[no-untyped-call]
        except config.ConfigException as error:
            raise ModelError(f"No cluster to train on: {error}") from error


@contextmanager
def _sentence() -> Iterator[None]:
    """What the cluster refuses, in its own words."""
    try:
        yield
    except ApiException as error:
        try:
            reason = json.loads(error.body or "")["message"]
        except (TypeError, ValueError, KeyError):
            reason = error.reason
        raise LaunchFailed(f"The cluster refused: {reason}") from error


def _ended(job: Any) -> str:
    """Why the Job ended; empty while it runs."""
    for condition in job.status.conditions or []:
        if condition.type in ("Complete", "Failed") and condition.status == "True":
            return str(condition.message or condition.reason or condition.type)
    return ""


def _job(
    cronjob: Any, template: dict[str, Any], parameters: TrainingParameters, sources: Mapping[str, str]
) -> dict[str, Any]:
    metadata = template.get("metadata") or {}
    for container in template["spec"]["template"]["spec"]["containers"]:
        if container["name"] == CONTAINER:
            container["args"] = [*container.get("args", []), *arguments(parameters, sources)]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "generateName": f"{cronjob.metadata.name}-",
            "labels": metadata.get("labels"),
            "annotations": {**(metadata.get("annotations") or {}), "cronjob.kubernetes.io/instantiate": "manual"},
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "CronJob",
                    "name": cronjob.metadata.name,
                    "uid": cronjob.metadata.uid,
                    "controller": True,
                }
            ],
        },
        "spec": template["spec"],
    }
