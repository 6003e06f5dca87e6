"""The images of a release, by `docker buildx bake`: for this machine's processor, or for all and into a registry."""

import json
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from commands import output, run
from source import Source

BAKE = "k8s/docker-bake.hcl"
BUILDX = Path("build/bin/buildx")  # where make builds it


def buildx() -> list[str]:
    """The command; nothing where docker has no such plugin and make built none."""
    if output("docker", "buildx", "version"):
        return ["docker", "buildx"]
    return [str(BUILDX)] if BUILDX.exists() and shutil.which("docker") else []


def build(images: list[str], version: str, source: Source, folder: Path) -> dict[str, str]:
    """Builds for this machine, and writes what is in each image into the folder. Their ids by name."""
    local = ["--load", "--provenance=false", "--sbom=false", "--set=*.platform=local"]
    _bake(images, version, source, "", *local)
    names = [f"loan-model-{image}:{version}" for image in images]
    for name in names:
        run(sys.executable, "k8s/sbom.py", name, str(folder))
    return {name: output("docker", "image", "inspect", "--format={{.Id}}", name) for name in names}


def push(images: list[str], version: str, source: Source, registry: str) -> dict[str, str]:
    """Builds for all processors with attestations, and pushes. The digests in the registry by name."""
    with TemporaryDirectory() as folder:
        built = Path(folder, "built.json")
        _bake(images, version, source, registry, "--push", f"--metadata-file={built}")
        facts: dict[str, Any] = json.loads(built.read_text())
    return {f"{registry}/loan-model-{image}:{version}": facts[image]["containerimage.digest"] for image in images}


def _bake(images: list[str], version: str, source: Source, registry: str, *options: str) -> None:
    variables = {
        "VERSION": version,
        "REVISION": source.revision,
        "SOURCE": source.url,
        "SOURCE_DATE_EPOCH": str(source.epoch),
        "REGISTRY": registry,
    }
    run(*buildx(), "bake", "--file", BAKE, *options, *images, **variables)
