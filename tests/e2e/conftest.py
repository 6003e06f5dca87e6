"""A cluster with KServe, this checkout's images in it, and the figures that the tests state."""

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.cluster import ROOT, Release, kubectl, run

_figures: dict[str, str] = {}


class Images(NamedTuple):
    server: str
    training: str
    rollout: str


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(900))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _figures:
        terminalreporter.section("figures")
        for name, value in _figures.items():
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session")
def figure() -> Callable[[str, str], None]:
    """Notes a figure for the summary at the end."""
    return _figures.__setitem__


@pytest.fixture(scope="session")
def cluster() -> None:
    """Ends the run with what is needed where kubectl points at no cluster with KServe."""
    for tool in ("kubectl", "helm", "docker"):
        if not shutil.which(tool):
            pytest.exit(f"The end-to-end tests need {tool} on the PATH.", returncode=1)
    try:
        kubectl("get", "crd", "inferenceservices.serving.kserve.io", "--request-timeout=20s")
    except (AssertionError, subprocess.SubprocessError):
        pytest.exit(
            "The end-to-end tests need a cluster with KServe as kubectl's current context; `make kind` makes one.",
            returncode=1,
        )


@pytest.fixture(scope="session")
def building(cluster: None) -> Iterator[Callable[[str], str]]:
    """Gives this checkout's image of a target when it is built, or as the environment names it."""
    kind = kubectl("config", "current-context").strip().startswith("kind-")
    if not kind and not all(_named(target) for target in Images._fields):
        pytest.exit(
            "Push the images, and name them by E2E_SERVER_IMAGE, E2E_TRAINING_IMAGE and E2E_ROLLOUT_IMAGE.",
            returncode=1,
        )
    with ThreadPoolExecutor(2) as pool:
        server = pool.submit(_built, "server")
        server.result()  # its lowest layers are those of the others
        others = {target: pool.submit(_built, target) for target in ("training", "rollout", "spark")}
        images = {"server": server, **others}
        yield lambda target: images[target].result()


@pytest.fixture(scope="session")
def images(building: Callable[[str], str], figure: Callable[[str, str], None]) -> Images:
    return Images(*(_loaded(target, building(target), figure) for target in Images._fields))


@pytest.fixture(scope="session")
def spark_image(building: Callable[[str], str], figure: Callable[[str, str], None]) -> str:
    """It takes minutes longer than the others, so only what uses it waits for it."""
    return _loaded("spark", building("spark"), figure)


@pytest.fixture(scope="module")
def release(request: pytest.FixtureRequest, images: Images) -> Iterator[Release]:
    """A release in a namespace named after the module; not installed yet."""
    namespace = request.module.__name__.rsplit(".", 1)[-1].replace("_", "-")
    made = Release(namespace, images.server, images.training)
    yield made
    if request.session.testsfailed:
        made.describe()
    made.remove()


def _named(target: str) -> str | None:
    return os.environ.get(f"E2E_{target.upper()}_IMAGE")


def _built(target: str) -> str:
    return _named(target) or _build(target)


def _loaded(target: str, image: str, figure: Callable[[str, str], None]) -> str:
    """In kind's node, by whoever waits for it: a test may have paused the node meanwhile."""
    if not _named(target):
        cluster = kubectl("config", "current-context").strip().removeprefix("kind-")
        run("kind", "load", "docker-image", "--name", cluster, image)
        figure(f"image {target}", f"{(_bytes(image) - _bytes('python:3.11-slim')) / 1e6:.0f} MB over the base")
    return image


def _build(target: str) -> str:
    """Tagged by what is in it, so that a rebuilt image is never mistaken for the one before."""
    names = run(
        "git",
        "ls-files",
        "helm",
        "k8s",
        "loan_*",
        "model_server",
        "rollout",
        "tabular_model",
        "training_job",
        "requirements",
        "*.toml",
        "hatch_build.py",
        cwd=ROOT,
    )
    digest = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in names.split()))
    image = f"loan-model-{target}:{digest.hexdigest()[:12]}"
    arguments = ("--build-arg", f"HELM={_helm()}", "--build-arg", f"VERSION={version('loan-model')}")
    run("docker", "build", *arguments, "--file", "k8s/Dockerfile", "--target", target, "--tag", image, ".", cwd=ROOT)
    return image


@functools.cache
def _helm() -> str:
    """An image of the helm that these tests use, so that none has to be pulled."""
    helm = Path(shutil.which("helm") or "").resolve()
    dockerfile = f"FROM scratch\nCOPY {helm.name} /usr/bin/helm\n"
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(helm, folder)
        run("docker", "build", "--tag", "helm:e2e", "--file", "-", folder, input=dockerfile)
    return "helm:e2e"


def _bytes(image: str) -> int:
    return int(run("docker", "image", "inspect", "--format", "{{.Size}}", image))
