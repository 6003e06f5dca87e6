"""A release that a tool of GitOps applies again and again is left to it, and the command says so."""

import pytest

from tests.rollout.cluster import FULL_NAME

MARKS = {
    "Argo CD": [
        {"annotations": {"argocd.argoproj.io/tracking-id": "loans:serving.kserve.io/InferenceService:bank/loans"}},
        {"managedFields": [{"manager": "manager"}, {"manager": "argocd-controller"}]},
    ],
    "Flux": [
        {"labels": {"helm.toolkit.fluxcd.io/name": "loans", "helm.toolkit.fluxcd.io/namespace": "bank"}},
        {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}},
    ],
}
CASES = [(tool, marks) for tool, each in MARKS.items() for marks in each]


@pytest.mark.parametrize(("tool", "marks"), CASES)
@pytest.mark.parametrize("words", [["--to", "v2"], ["--to", "v2", "--dry-run"], ["abort"]])
def test_a_release_that_a_tool_applies_is_not_moved(cluster, rollout, tool, marks, words):
    cluster.marks = marks
    done = rollout(*words)
    assert done.exit_code == 1
    assert f"{tool} applies the release loans and would undo a rollout by this command" in done.stderr
    assert "rollout.controller.enabled" in done.stderr
    assert not cluster.helm


@pytest.mark.parametrize(
    ("tool", "marks"), [*CASES, ("a tool that keeps no Helm release", {"managedFields": [{"manager": "kubectl"}]})]
)
def test_a_release_without_helms_record_names_who_applies_it(cluster, rollout, tool, marks):
    cluster.revisions.clear()
    cluster.applied = {"metadata": {"name": FULL_NAME, **marks}}
    done = rollout("--to", "v2")
    assert done.exit_code == 1
    assert f"{tool} applies the release loans" in done.stderr


def test_a_release_of_helm_alone_is_moved(cluster, rollout):
    cluster.marks = {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "managedFields": [{"manager": "helm"}]}
    assert rollout("--to", "v2").exit_code == 0
