"""A training as a Kubernetes Job, made from the template that a CronJob holds."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2
import msgspec
from lightkube import ApiError, Client, ConfigError, KubeConfig
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import Event, Pod

from tabular_model.errors import ModelError
from training_job.cronjob import CONTAINER, Trainings, ended
from training_job.launch import (
    AlreadyRunning,
    LaunchFailed,
    Outcome,
    TrainingParameters,
    arguments,
    last_line,
    succeeded,
)

POLL_SECONDS = 1.0
OF_CLAIMS = ("Multi-Attach", "affinity", "ReadWriteOncePod")  # as the cluster warns where a claim may be the cause


class JobLauncher:
    """Creates Jobs as `kubectl create job --from=cronjob/NAME` does, with the caller's parameters added.

    The training writes its result, one line of JSON, or its error as the container's termination message, so
    that no log has to be read. A Job belongs to its CronJob, and is deleted with it.
    """

    def __init__(self, cronjob: str, namespace: str, sources: Mapping[str, str], client: Client | None = None) -> None:
        self._client = client or connect()
        self._trainings = Trainings(self._client, cronjob, namespace)
        self._namespace = namespace
        self.sources = sources

    async def start(self, parameters: TrainingParameters) -> str:
        """The Job's name; AlreadyRunning while another of the CronJob runs, LaunchFailed if the cluster rejects it."""
        with in_a_sentence():
            return await asyncio.to_thread(self._start, parameters)

    async def wait(self, name: str, seconds: float) -> Outcome:
        """Asks each second; KeyError for a Job that is not the CronJob's, LaunchFailed if the cluster rejects it."""
        with in_a_sentence():
            return await asyncio.to_thread(self._wait, name, seconds)

    async def stop(self) -> None:
        """A Job goes on without the server that started it."""

    def _start(self, parameters: TrainingParameters) -> str:
        if name := self._trainings.running():
            raise AlreadyRunning(f"Training {name} is running; its status is at /train/{name}.")
        return self._trainings.create(arguments(parameters, self.sources))

    def _wait(self, name: str, seconds: float) -> Outcome:
        deadline = time.monotonic() + seconds
        while not (reason := ended(job := self._read(name))):
            if time.monotonic() >= deadline:
                return Outcome(name=name, state="running", waits=self._waits(job))
            time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))
        message, good = self._last_message(name)
        if good:
            return succeeded(name, message)
        return Outcome(name=name, state="failed", error=message or reason)

    def _read(self, name: str) -> Any:
        """The Job; KeyError unless it exists and was made from this CronJob."""
        try:
            job = self._client.get(Job, name, namespace=self._namespace)
        except ApiError as error:
            if error.response.status_code == 404:
                raise KeyError(name) from None
            raise
        if not self._trainings.own(job):
            raise KeyError(name)
        return job

    def _waits(self, job: Any) -> str:
        """What keeps the Job from starting, as far as the cluster says; empty for one that has started."""
        if job.spec.suspend:
            return "its Job is suspended, until a queue has room for it."
        pods = [pod for pod in self._pods(job.metadata.name) if pod.status.phase == "Pending"]
        try:
            return next(filter(None, map(self._warned, pods)), "")
        except ApiError:  # an older Role lets nobody list events
            return ""

    def _warned(self, pod: Any) -> str:
        """What the cluster last warned of for a pod, and which claims it mounts, if that may be about one."""
        fields = {"involvedObject.name": pod.metadata.name, "type": "Warning"}
        events: Any = self._client.list(Event, namespace=self._namespace, fields=fields)
        last = max(events, key=lambda event: str(event.lastTimestamp or event.eventTime), default=None)
        if last is None:
            return ""
        claims = [each.persistentVolumeClaim.claimName for each in pod.spec.volumes or [] if each.persistentVolumeClaim]
        if not claims or not any(word in last.message for word in OF_CLAIMS):
            return str(last.message)
        return (
            f"{last.message.rstrip('.')}. Its pod mounts the claim {' and '.join(claims)}: one that is not "
            "ReadWriteMany is mounted by one node at a time, on which there must be room."
        )

    def _pods(self, name: str) -> Any:
        return self._client.list(Pod, namespace=self._namespace, labels={"batch.kubernetes.io/job-name": name})

    def _last_message(self, name: str) -> tuple[str, bool]:
        """The last line that a pod of the Job left, and whether it ended well."""
        ends = [
            (left.exitCode == 0 and status.name == CONTAINER, left.finishedAt, left.message or "")
            for pod in self._pods(name)
            for status in (pod.status.initContainerStatuses or []) + (pod.status.containerStatuses or [])
            if (left := status.state.terminated) and (status.name == CONTAINER or left.exitCode)
        ]
        if not ends:
            return "", False
        good, _, message = max(ends)
        return last_line(message.encode()).removeprefix("error: "), good


def connect(seconds: float = 10.0) -> Client:
    """A client of the cluster that this pod runs in, else of the one that kubectl points at; ModelError without one.

    An answer is waited for `seconds`.
    """
    timeout = httpx2.Timeout(seconds)
    try:
        # Its address is an IP, which NO_PROXY often names by a range; the client would ask a proxy for it.
        return Client(KubeConfig.from_service_account(), timeout=timeout, trust_env=False)
    except (ConfigError, KeyError):
        try:
            return Client(timeout=timeout)
        except (ConfigError, OSError) as error:
            raise ModelError(f"No cluster was found: {error}") from error


@contextmanager
def in_a_sentence() -> Iterator[None]:
    """LaunchFailed for what the cluster refuses, in its own words, or if it does not answer."""
    try:
        yield
    except httpx2.HTTPStatusError as error:
        raise LaunchFailed(f"The cluster refused: {error}") from error
    except (httpx2.HTTPError, msgspec.MsgspecError, ConfigError) as error:
        raise LaunchFailed(f"The cluster does not answer: {error}") from error
