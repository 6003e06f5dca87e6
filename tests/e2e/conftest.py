"""A cluster with KServe, this checkout's images in it, and the figures that the tests state."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests.e2e import checkout_images
from tests.e2e.cluster import Release, kubectl, run

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
    if not kind and not all(checkout_images.named(target) for target in Images._fields):
        pytest.exit(
            "Push the images, and name them by E2E_SERVER_IMAGE, E2E_TRAINING_IMAGE and E2E_ROLLOUT_IMAGE.",
            returncode=1,
        )
    with checkout_images.building() as built:
        yield built


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


def _loaded(target: str, image: str, figure: Callable[[str, str], None]) -> str:
    """In kind's node, by whoever waits for it: a test may have paused the node meanwhile."""
    if not checkout_images.named(target):
        cluster = kubectl("config", "current-context").strip().removeprefix("kind-")
        run("kind", "load", "docker-image", "--name", cluster, image)
        own = checkout_images.size(image) - checkout_images.size("python:3.11-slim")
        figure(f"image {target}", f"{own / 1e6:.0f} MB over the base")
    return image
