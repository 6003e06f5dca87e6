"""The README's commands for Kubernetes, word for word."""

import re
import subprocess

import pytest

from tests.e2e.cluster import ROOT, kubectl, run

README = (ROOT / "README.md").read_text()
NAMESPACE = "lending"


@pytest.fixture(autouse=True)
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


def test_the_commands_deploy_and_ship_the_next_version():
    printed = []
    for block in re.findall(r"(?ms)^```sh\n(.*?)^```", README):
        for command in block.splitlines():
            done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            printed.append(done.stdout)
    assert any('"prediction":1' in text and '"model_version":"v1"' in text for text in printed)
    assert any('{"version":"v2","passed":true' in text for text in printed)
