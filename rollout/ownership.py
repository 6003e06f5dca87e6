"""Whether a controller, and not Helm alone, decides what a release's objects say."""

from typing import Any

GITOPS = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "argocd.argoproj.io/instance": "Argo CD",
    "helm.toolkit.fluxcd.io/name": "Flux",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "objectset.rio.cattle.io/id": "Fleet",
    "kapp.k14s.io/app": "kapp",
    "configsync.gke.io/resource-id": "Config Sync",
}
MANAGERS = {
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "helm-controller": "Flux",
    "kustomize-controller": "Flux",
    "fleetagent": "Fleet",
    "configsync": "Config Sync",
}


def applied_by(metadata: dict[str, Any]) -> str:
    """The name of the tool that applies an object again and again, by its labels, annotations and managed fields.

    Empty where there is none that is known.
    """
    marks = {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}
    managers = [each.get("manager", "") for each in metadata.get("managedFields") or []]
    found = [name for mark, name in GITOPS.items() if mark in marks]
    return next(iter(found + [MANAGERS[each] for each in managers if each in MANAGERS]), "")
