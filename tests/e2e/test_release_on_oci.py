"""Versions that are pushed to a container registry, and that KServe brings to the servers as images (modelcars)."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from loan_cli.app import app
from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tests.e2e.cluster import forwarded, kubectl, run, wait_for
from tests.e2e.gateway import ROWS, SteadyLoad
from tests.e2e.test_release_on_a_claim import ENDPOINTS, answers
from tests.gotools import gotool

NAMESPACE = "container-registry"
NODE = "127.0.0.1:5000"  # the registry as the node's runtime reaches it
VALUES = {"storage.type": "oci", "storage.oci.repository": f"{NODE}/lending/loan"}
# The least that a modelcar is started with: a shell, and what KServe's command calls.
BASE = """
FROM python:3.11-slim AS all
RUN mkdir -p /base/bin && cp /bin/dash /base/bin/sh && cp /bin/ln /bin/ls /bin/sleep /base/bin/ \\
 && for file in /base/bin/*; do ldd $file | grep -o '/[^ ]*'; done | sort -u | xargs -I {} cp --parents -L {} /base
FROM scratch
COPY --from=all /base /
"""


@pytest.fixture(scope="module")
def registry(images, tmp_path_factory):
    """A container registry in the cluster; its address from here."""
    context = kubectl("config", "current-context").strip()
    if not context.startswith("kind-"):
        pytest.skip("the registry is on the loopback of kind's one node")
    folder = tmp_path_factory.mktemp("registry-image")
    shutil.copy(gotool("registry"), folder)
    dockerfile = 'FROM scratch\nCOPY registry /registry\nENTRYPOINT ["/registry"]\n'
    run("docker", "build", "--tag", "registry:e2e", "--file", "-", str(folder), input=dockerfile)
    run("kind", "load", "docker-image", "--name", context.removeprefix("kind-"), "registry:e2e")
    kubectl("create", "namespace", NAMESPACE)
    kubectl("--namespace", NAMESPACE, "apply", "--filename", str(Path(__file__).with_name("registry.yaml")))
    kubectl("--namespace", NAMESPACE, "wait", "pod/registry", "--for=condition=Ready", "--timeout=60s")
    with forwarded(NAMESPACE, "pod/registry", 5000) as port:
        yield f"127.0.0.1:{port}"
    kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def pushed(registry, trained_registry):
    """v1 and v2, on a base with a shell; the address of their repository."""
    base = f"{registry}/shell:1"
    run("docker", "build", "--tag", base, "-", input=BASE)
    run("docker", "push", base)
    run("docker", "image", "rm", base)
    for version in ("v1", "v2"):
        words = ["versions", "push", version, f"oci://{registry}/lending/loan", "--base", f"oci://{base}"]
        done = CliRunner().invoke(app, [*words, "--registry", str(trained_registry)])
        assert done.exit_code == 0, done.output
    return f"oci://{registry}/lending/loan"


@pytest.fixture(scope="module", autouse=True)
def admitted(release):
    """KServe gives a modelcar no security context, so the restricted standard refuses its pods."""
    kubectl("label", "namespace", release.namespace, "--overwrite", "pod-security.kubernetes.io/enforce=baseline")


def test_a_version_is_served_from_its_image(release, pushed):
    release.install(*(word for name, value in VALUES.items() for word in ("--set", f"{name}={value}")))
    release.upgrade("--set", "stable.version=v1")
    release.wait(f"inferenceservice/{release.service}", "condition=Ready")
    wait_for(lambda: answers("v1"), 60, "the first prediction")
    pods = release.get("pods", f"--selector=serving.kserve.io/inferenceservice={release.service}")["items"]
    images = {container["name"]: container["image"] for pod in pods for container in pod["spec"]["containers"]}
    assert images["modelcar"] == f"{NODE}/lending/loan:v1"
    restarts = [status["restartCount"] for pod in pods for status in pod["status"]["containerStatuses"]]
    assert set(restarts) == {0}, "the server waits for the link"


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_endpoint_gives_the_probabilities_of_the_version_in_the_registry(endpoint, pushed):
    version, probabilities = endpoint()
    expected = TabularModel.from_registry(Registry.open(pushed), "v1").score(ROWS).probability
    assert version == "v1"
    assert np.abs(np.array(probabilities) - expected).max() <= 1e-9


def test_the_next_version_takes_over_without_a_failed_request(release, figure):
    with SteadyLoad() as load:
        release.upgrade("--set", "stable.version=v2")
        release.wait_until_rolled_out()
        wait_for(lambda: answers("v2"), 60, "the next version")
    figure("move to another version, as images", f"{len(load.failed)} of {load.sent} failed")
    assert not load.failed
    assert set(load.versions) == {"v1", "v2"}


def test_a_version_that_was_not_pushed_is_named(release):
    release.upgrade("--set", "stable.version=v3")
    wait_for(lambda: f"{NODE}/lending/loan:v3" in release.why() and "ImagePull" in release.why(), 90, "the cause")
    assert answers("v2"), "the old version goes on"
    release.helm("rollback", release.name)
