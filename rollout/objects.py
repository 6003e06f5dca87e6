"""The objects that the controller sets: the InferenceServices of stable and canary, and the routes to them."""

from typing import Any

from kubernetes import client

MANAGER = "loan-rollout"
SERVER_SIDE_APPLY = "application/apply-patch+yaml"
MANAGED_BY = "app.kubernetes.io/managed-by"
INSTANCE = "app.kubernetes.io/instance"
# What is there first leads to nothing yet, and what is there last needs the others.
KINDS = {
    "InferenceService": ("serving.kserve.io", "v1beta1", "inferenceservices"),
    "PodDisruptionBudget": ("policy", "v1", "poddisruptionbudgets"),
    "BackendTLSPolicy": ("gateway.networking.k8s.io", "v1", "backendtlspolicies"),
    "HTTPRoute": ("gateway.networking.k8s.io", "v1", "httproutes"),
}


class Objects:
    """The objects of one release that this manager sets by server-side apply; `owner` is deleted with all of them."""

    def __init__(self, release: str, namespace: str, custom: Any) -> None:
        self._release = release
        self._namespace = namespace
        self._custom = custom

    def apply(self, wanted: list[dict[str, Any]], owner: dict[str, Any]) -> None:
        """Sets the objects, takes over fields that another manager has set, and deletes those not wanted any more."""
        for kind in KINDS:
            for each in wanted:
                if each["kind"] == kind:
                    self._apply(each, owner)
        for kind in reversed(KINDS):
            names = {each["metadata"]["name"] for each in wanted if each["kind"] == kind}
            for name in self._names(kind) - names:
                self._custom.delete_namespaced_custom_object(*self._place(kind), name)

    def _apply(self, wanted: dict[str, Any], owner: dict[str, Any]) -> None:
        metadata = wanted["metadata"]
        labels = metadata.get("labels", {}) | {MANAGED_BY: MANAGER}
        body = wanted | {"metadata": metadata | {"labels": labels, "ownerReferences": [owner]}}
        self._custom.patch_namespaced_custom_object(
            *self._place(wanted["kind"]),
            metadata["name"],
            body,
            field_manager=MANAGER,
            force=True,
            _content_type=SERVER_SIDE_APPLY,
        )

    def _names(self, kind: str) -> set[str]:
        selector = f"{MANAGED_BY}={MANAGER},{INSTANCE}={self._release}"
        try:
            found = self._custom.list_namespaced_custom_object(*self._place(kind), label_selector=selector)
        except client.ApiException as error:
            if error.status in (403, 404):  # no such kind in this cluster, or none that the chart would make
                return set()
            raise
        return {each["metadata"]["name"] for each in found["items"]}

    def _place(self, kind: str) -> tuple[str, str, str, str]:
        group, version, plural = KINDS[kind]
        return group, version, self._namespace, plural
