"""A training whose registry fails says why and publishes nothing; when it is well again, the next one does."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from loan_model.synthetic import generate
from tabular_model.errors import RegistryError
from tabular_model.registry import Registry
from tests.flaky import flaky


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "data.csv"
    generate(400, 0).to_csv(path, index=False)
    return str(path)


def train(data, root, **options):
    command = [sys.executable, "-m", "loan_cli", "train", "--algorithm", "logistic", "--data", data]
    return subprocess.run([*command, "--registry", str(root)], capture_output=True, text=True, check=False, **options)


def publish(registry, artifact):
    """What a training does at its end, with the files of one that was done before."""

    def describe(version, hashes):
        return msgspec.structs.replace(artifact.manifest, version=version, files=hashes)

    return registry.publish(artifact.files, describe).version


def whole(registry):
    """The versions, each of which loads."""
    return [registry.load(version).manifest.version for version in registry.versions()]


@contextmanager
def mounted(path: Path, options: str) -> Iterator[None]:
    path.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"may not mount: {done.stderr}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.slow
def test_a_file_that_cannot_be_written_to_its_end(data, tmp_path):
    """As on a full disk, where one may not be mounted."""
    limit = 50_000
    done = train(data, tmp_path / "r", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("error: The registry ")
    registry = Registry.open(tmp_path / "r")
    assert registry.versions() == []
    assert train(data, tmp_path / "r").returncode == 0
    assert whole(registry) == ["v2"]


def test_a_full_disk(trained_registry, tmp_path):
    artifact = Registry.open(trained_registry).load("v1")
    size = sum(map(len, artifact.files.values()))
    with mounted(tmp_path / "disk", f"size={int(size * 2.5)}"):
        registry = Registry.open(tmp_path / "disk", create=True)
        published = [publish(registry, artifact), publish(registry, artifact)]
        with pytest.raises(RegistryError, match="No space left"):
            publish(registry, artifact)
        assert whole(registry) == published
        filler = tmp_path / "disk/v3"
        for path in filler.iterdir():
            path.unlink()
        subprocess.run(["mount", "-o", f"remount,size={size * 9}", str(tmp_path / "disk")], check=True)
        assert publish(registry, artifact) == "v4"
        assert whole(registry) == [*published, "v4"]


@pytest.mark.slow
def test_a_folder_that_may_only_be_read(data, trained_registry, tmp_path):
    with mounted(tmp_path / "disk", "size=9m"):
        registry = Registry.open(tmp_path / "disk", create=True)
        publish(registry, Registry.open(trained_registry).load("v1"))
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
        done = train(data, tmp_path / "disk")
        assert done.returncode == 1
        assert "Read-only file system" in done.stderr
        assert whole(registry) == ["v1"]


def test_a_bucket_that_fails_three_calls_of_ten(bucket, s3_server, trained_registry, monkeypatch):
    """Each training publishes a whole version or says why not, and the store's own view is the same."""
    artifact = Registry.open(trained_registry).load("v1")
    with flaky(s3_server) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        registry = Registry.open(bucket, create=True)
        store.failing = 0.3
        published = []
        for _ in range(10):
            with suppress(RegistryError):
                published.append(publish(registry, artifact))
        assert store.failed > 10
        assert published
        store.failing = 0
        assert set(published) <= set(whole(registry))
        assert publish(registry, artifact) == registry.latest()


@pytest.mark.slow
def test_a_bucket_that_stops(data, bucket, s3_server, monkeypatch):
    with flaky(s3_server) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        store.failing = 1
        done = train(data, bucket)
        assert done.returncode == 1
        assert "Please reduce your request rate (SlowDown)" in done.stderr.strip().splitlines()[-1]
        store.failing = 0
        assert train(data, bucket).returncode == 0
        assert len(whole(Registry.open(bucket))) == 1
