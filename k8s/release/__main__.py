"""Builds what a version consists of into dist/VERSION; with --publish, pushes it and tags the commit.

Without --publish nothing leaves the machine: what would stop a release is said, and what can be built is built.
"""

import argparse
import gzip
import io
import json
import os
import shutil
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import images
import versions
from commands import output, run, say
from provenance import sha256, statement
from source import Source, checkout

CHART = "helm/loan-model"
LOCKS = [Path("requirements", f"{name}.txt") for name in ("build", "server", "training", "rollout", "spark")]
LOCKS.append(Path("k8s/spark/jars.sha256"))


def main() -> None:
    asked = arguments()
    version, source = versions.stated(), checkout()
    stops = [*what_stops(version, source), *what_is_missing(asked)]
    if stops and asked.publish:
        sys.exit("\n".join(["Nothing was built or pushed:", *stops]))
    for stop in stops:
        say(f"this stops a release: {stop}")
    folder = Path("dist", version)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    digests = build(asked.images, version, source, folder)
    if asked.publish and asked.images:
        digests = images.push(asked.images, version, source, asked.publish)
    parameters = {"version": version, "images": asked.images, "registry": asked.publish}
    made = statement(source, parameters, asked.builder, [*folder.iterdir()], digests, LOCKS)
    (folder / "provenance.json").write_text(json.dumps(made, indent=2) + "\n")
    sums = [f"{sha256(file)}  {file.name}\n" for file in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(sums))
    if asked.publish:
        publish(folder, asked.publish, asked.index, digests)
        run("git", "tag", f"v{version}")
        say(f"tagged v{version}; git push origin v{version} sends the tag")
    say(f"{folder} holds {', '.join(sorted(file.name for file in folder.iterdir()))}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make release", description=__doc__)
    parser.add_argument("--images", default="server training rollout spark", type=str.split, help="which to build")
    parser.add_argument("--publish", default="", help="where images and chart go, such as registry.example.com/lending")
    parser.add_argument("--index", default="", help="the URL that the wheel is uploaded to")
    parser.add_argument("--builder", default="urn:loan-model:make", help="a URI of who builds, for the provenance")
    return parser.parse_args()


def what_stops(version: str, source: Source) -> Iterator[str]:
    if source.dirty:
        yield "The tree has changes that are in no commit: commit them."
    yield from versions.disagreements(version)
    if output("git", "tag", "--list", f"v{version}"):
        yield f"The tag v{version} is there already, and a version is released once: choose the next one."


def what_is_missing(asked: argparse.Namespace) -> Iterator[str]:
    if not shutil.which("helm"):
        yield "The chart cannot be packaged: helm is not on the PATH."
    if asked.images and not images.buildx():
        yield "The images cannot be built: docker has no buildx. Install its plugin, or Go for make to build it."


def build(names: list[str], version: str, source: Source, folder: Path) -> dict[str, str]:
    """Wheel, chart, images and what is in them, as far as the tools are here; the images' ids by name."""
    wheel = ("--target", "wheel", "--directory", str(folder))
    run(sys.executable, "-m", "hatchling", "build", *wheel, SOURCE_DATE_EPOCH=str(source.epoch))
    if shutil.which("helm"):
        run("helm", "package", CHART, "--destination", str(folder))
        for package in folder.glob("*.tgz"):
            package.write_bytes(timeless(package.read_bytes(), source.epoch))
    return images.build(names, version, source, folder) if names and images.buildx() else {}


def timeless(package: bytes, epoch: int) -> bytes:
    """The tar.gz with all times set to this one: helm writes the time of day, which differs with each build."""
    packed = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(package)) as old,
        gzip.GzipFile("", "wb", fileobj=packed, mtime=epoch) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as new,
    ):
        for member in old:
            member.mtime = epoch
            new.addfile(member, old.extractfile(member))
    return packed.getvalue()


def publish(folder: Path, registry: str, index: str, digests: dict[str, str]) -> None:
    for package in folder.glob("*.tgz"):
        run("helm", "push", str(package), f"oci://{registry}/charts")
    if index:
        run(sys.executable, "-m", "uv", "publish", "--publish-url", index, *map(str, folder.glob("*.whl")))
    else:
        say("the wheel is not uploaded: INDEX is not set")
    if not shutil.which("cosign"):
        say("nothing is signed: cosign is not on the PATH")
        return
    key = ["--key", os.environ["COSIGN_KEY"]] if os.environ.get("COSIGN_KEY") else []
    for name, digest in digests.items():
        run("cosign", "sign", "--yes", *key, f"{name.rpartition(':')[0]}@{digest}")
    sums = str(folder / "SHA256SUMS")
    run("cosign", "sign-blob", "--yes", *key, "--bundle", f"{sums}.sigstore.json", sums)


if __name__ == "__main__":
    main()
