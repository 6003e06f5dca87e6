"""The commands for Kubernetes in the README and in the pages on Kubernetes and rollouts, word for word."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.cluster import ROOT, kubectl, run
from tests.e2e.gateway import SteadyLoad

NAMESPACE = "lending"


@pytest.fixture(scope="module", autouse=True)
def images_of_the_chart(images):
    """The images under the names that the chart has by default."""
    version = re.search(r"(?m)^appVersion: \"?([\d.]+)", (ROOT / "helm/loan-model/Chart.yaml").read_text())[1]
    cluster = kubectl("config", "current-context").strip().removeprefix("kind-")
    for image in images:
        name = f"{image.split(':')[0]}:{version}"
        run("docker", "tag", image, name)
        run("kind", "load", "docker-image", "--name", cluster, name)
    yield
    run("helm", "--namespace", NAMESPACE, "uninstall", "loans", check=False)
    kubectl("delete", "namespace", NAMESPACE, "--wait=false", check=False)


@pytest.fixture(scope="module", autouse=True)
def loan():
    """`.venv/bin/loan`, as `make` leaves it."""
    command = ROOT / ".venv/bin/loan"
    if command.exists():
        yield
        return
    command.parent.mkdir(parents=True)
    command.symlink_to(Path(sys.executable).with_name("loan"))
    yield
    shutil.rmtree(ROOT / ".venv")


def run_all(text):
    """What the commands of the text's `sh` blocks print, each of which must end well."""
    for block in re.findall(r"(?ms)^```sh\n(.*?)^```", text):
        for command in block.splitlines():
            done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            yield done.stdout


def test_the_commands_deploy_and_ship_the_next_version():
    printed = list(run_all((ROOT / "docs/kubernetes.md").read_text()))
    assert any('"prediction":1' in text and '"model_version":"v1"' in text for text in printed)
    assert any('{"version":"v2","passed":true' in text for text in printed)


def test_the_commands_roll_out():
    """In less time than the defaults take."""
    quick = "rollout.steps={50},rollout.stepSeconds=5,rollout.pollSeconds=1,rollout.judgement.minRequests=200"
    upgrade = ("helm", "upgrade", "loans", "helm/loan-model", "--namespace", NAMESPACE, "--reuse-values")
    run(*upgrade, "--set", quick, cwd=ROOT)
    kubectl("--namespace", NAMESPACE, "rollout", "status", "deployment/loans-loan-model-predictor", "--timeout=180s")
    time.sleep(5)  # until the Gateway has the new configuration
    readme = (ROOT / "README.md").read_text().replace("--namespace loans", f"--namespace {NAMESPACE}")
    with SteadyLoad(pause=0.01, pairs=2) as load:
        printed = list(run_all((ROOT / "docs/rollouts.md").read_text()))
        next_version = list(run_all(readme))
        time.sleep(2)
    assert any("canary  v2  10 %" in text for text in printed)
    assert any("v2 becomes stable" in text for text in printed)
    assert any('"event":"Promoted"' in text for text in printed)
    assert any("v3 becomes stable" in text for text in next_version)
    assert any('"event":"Promoted"' in text for text in next_version)
    assert not load.failed
