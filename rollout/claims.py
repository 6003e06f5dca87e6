"""Why a pod waits for a claim: one node at a time may mount it, and it is mounted on another."""

import time
from typing import Any

from kubernetes import client

from rollout import events

SHARED = "ReadWriteMany"
REASON = "MountedOnOtherNode"
SETTLING_SECONDS = 20  # a volume leaves its node some time after its last pod has ended


class Claims:
    """Looks at pods that wait, and writes an event on the claim that one waits for, once for each pod."""

    def __init__(self, namespace: str, core: Any) -> None:
        self._namespace = namespace
        self._core = core
        self._since: dict[str, float] = {}
        self._told: set[str] = set()

    def why(self, pod: Any) -> str:
        """Which claim the pod waits for, where that is, and what to do; empty if it waits for none.

        Empty too where the cluster does not let a rollout look.
        """
        if pod.status.phase != "Pending":
            return ""
        try:
            return next(filter(None, (self._waits(pod, claim) for claim in _claims(pod))), "")
        except client.ApiException:
            return ""

    def _waits(self, pod: Any, name: str) -> str:
        claim = self._core.read_namespaced_persistent_volume_claim(name, self._namespace)
        modes = claim.spec.access_modes
        holder = next(self._mounting(name), None)
        if SHARED in modes or holder is None or not (so := self._so(pod, holder.spec.node_name)):
            return ""
        if time.monotonic() - self._since.setdefault(pod.metadata.name, time.monotonic()) < SETTLING_SECONDS:
            return ""
        where = f"is mounted on node {holder.spec.node_name} by the pod {holder.metadata.name}"
        why = f"The claim {name} is {' and '.join(modes)} and {where}, so the pod {pod.metadata.name} {so}"
        if pod.metadata.name not in self._told:
            self._told.add(pod.metadata.name)
            reference = {"name": name, "namespace": self._namespace, "uid": claim.metadata.uid}
            about = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **reference}
            events.write(self._core, self._namespace, about, "Warning", REASON, why)
        return why

    def _so(self, pod: Any, node: str) -> str:
        """What comes of it for a pod that waits; empty if it waits for something else."""
        if not pod.spec.node_name:
            for each in pod.status.conditions or []:
                if each.type == "PodScheduled" and each.status == "False":
                    said = str(each.message).rstrip(".")
                    return (
                        f"must run there too, but the scheduler cannot place it: {said}. Free capacity on that "
                        f"node, or store the versions on a claim that is {SHARED}, or in a bucket."
                    )
            return ""
        selector = f"involvedObject.name={pod.metadata.name},reason=FailedAttachVolume"
        if (
            pod.spec.node_name == node
            or not self._core.list_namespaced_event(self._namespace, field_selector=selector).items
        ):
            return ""
        return (
            f"cannot mount it on node {pod.spec.node_name}. Store the versions on a claim that is {SHARED}, or in a "
            "bucket, or keep all pods of the release on one node with an affinity."
        )

    def _mounting(self, claim: str) -> Any:
        """The pods that run with the claim."""
        pods = self._core.list_namespaced_pod(self._namespace).items
        return (pod for pod in pods if pod.status.phase == "Running" and claim in _claims(pod))


def _claims(pod: Any) -> list[str]:
    sources = (volume.persistent_volume_claim for volume in pod.spec.volumes or [])
    return [source.claim_name for source in sources if source]
