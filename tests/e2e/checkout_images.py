"""The images of this checkout, built where they are not named. `python -m tests.e2e.checkout_images` builds all."""

import functools
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from tests.e2e.cluster import ROOT, run

SOURCES = ("helm", "k8s", "loan_*", "model_server", "rollout", "tabular_model", "training_job", "requirements")


@contextmanager
def building() -> Iterator[Callable[[str], str]]:
    """Gives the image of a target when it is built, two at a time, or as the environment names it."""
    with ThreadPoolExecutor(2) as pool:
        server = pool.submit(_built, "server")
        server.result()  # its lowest layers are those of the others
        others = {target: pool.submit(_built, target) for target in ("training", "rollout", "spark")}
        images = {"server": server, **others}
        yield lambda target: images[target].result()


def named(target: str) -> str | None:
    """What the environment names."""
    return os.environ.get(f"E2E_{target.upper()}_IMAGE")


def size(image: str) -> int:
    """In bytes."""
    return int(run("docker", "image", "inspect", "--format", "{{.Size}}", image))


def _built(target: str) -> str:
    return named(target) or _build(target)


def _build(target: str) -> str:
    """Tagged by what is in it, so that a rebuilt image is never mistaken for the one before."""
    names = run("git", "ls-files", *SOURCES, "*.toml", "hatch_build.py", cwd=ROOT)
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


if __name__ == "__main__":
    with building():
        pass
