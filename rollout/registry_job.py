"""Asks the registry where it is: in the cluster, by a Job with the rights and the storage of a training."""

import json
import time
from typing import Any

from kubernetes import client

from rollout.claims import Claims
from rollout.errors import ClusterError, Refused

CONTAINER = "training"
DATA = "data"  # the init container that makes synthetic data
POLL_SECONDS = 0.5
DEADLINE_SECONDS = 180


class RegistryJob:
    """Runs `loan versions …` in a pod made from the chart's training CronJob, so that a claim can be reached too."""

    def __init__(self, service: str, namespace: str, batch: Any, core: Any) -> None:
        self._service = service
        self._cronjob = f"{service}-training"
        self._namespace = namespace
        self._batch = batch
        self._core = core
        self._claims = Claims(namespace, core)

    def check(self, version: str, against: str) -> dict[str, Any]:
        """What `loan versions check` found; Refused, with its message, if the version cannot be rolled out."""
        return self._run("versions", "check", version, "--against", against)

    def promote(self, version: str, by: str, reason: str) -> None:
        """Makes the version the champion, if it is not that already."""
        self._run("versions", "promote", version, "--by", by, "--reason", reason)

    def _run(self, *arguments: str) -> dict[str, Any]:
        try:
            template = self._batch.read_namespaced_cron_job(self._cronjob, self._namespace).spec.job_template
        except client.ApiException as error:
            if error.status == 404:
                raise Refused(
                    f"A rollout reads the registry through the CronJob {self._cronjob}, which was not found: "
                    "set training.enabled."
                ) from error
            raise
        body = _job(self._cronjob, self._batch.api_client.sanitize_for_serialization(template), list(arguments))
        name = self._batch.create_namespaced_job(self._namespace, body).metadata.name
        try:
            good, message = self._wait(name)
        finally:
            self._batch.delete_namespaced_job(name, self._namespace, propagation_policy="Background")
        if not good:
            raise Refused(message.removeprefix("error: "))
        result: dict[str, Any] = json.loads(message) if message else {}
        return result

    def _wait(self, job: str) -> tuple[bool, str]:
        """Whether the pod ended well, and the last line that it left."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        selector = f"batch.kubernetes.io/job-name={job}"
        while time.monotonic() < deadline:
            for pod in self._core.list_namespaced_pod(self._namespace, label_selector=selector).items:
                if why := self._claims.why(pod):
                    raise Refused(why)
                for status in pod.status.container_statuses or []:
                    if ended := status.state.terminated:
                        good = ended.exit_code == 0
                        # Of a pod that ended well and left nothing, the reason says no more.
                        lines = (ended.message or (not good and ended.reason) or "").strip().splitlines()
                        return good, lines[-1] if lines else ""
            time.sleep(POLL_SECONDS)
        raise ClusterError(f"The Job {job} that reads the registry did not end within {DEADLINE_SECONDS} s.")


def _job(name: str, template: dict[str, Any], arguments: list[str]) -> dict[str, Any]:
    spec = template["spec"]
    pod = spec["template"]["spec"]
    # What a platform adds stays; only the data, and a driver's right to start executors, are not needed here.
    pod["automountServiceAccountToken"] = False
    pod["initContainers"] = [each for each in pod.get("initContainers") or [] if each["name"] != DATA]
    for container in pod["containers"]:
        if container["name"] == CONTAINER:
            container["args"] = arguments
    spec.update(backoffLimit=0, activeDeadlineSeconds=DEADLINE_SECONDS, ttlSecondsAfterFinished=DEADLINE_SECONDS)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "generateName": name.removesuffix("training") + "registry-",
            "labels": template["metadata"].get("labels"),
            "annotations": template["metadata"].get("annotations"),
        },
        "spec": spec,
    }
