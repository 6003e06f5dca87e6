"""Versions in a real container registry: what is pushed, what other tools make of it, and who may."""

import base64
import hashlib
import itertools
import json
import os
import subprocess
import zlib

import httpx
import msgspec
import numpy as np
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from loan_cli.app import app
from tabular_model.bundle import Bundler
from tabular_model.errors import GateFailed, IntegrityError, RegistryError, VersionNotFound
from tabular_model.model import TabularModel
from tabular_model.oci.client import DOCKER_MANIFEST, INDEX, Blob, Client
from tabular_model.oci.image import artifact
from tabular_model.oci.reference import Reference
from tabular_model.registry import Registry
from tabular_model.signing import Signer
from tests.gotools import gotool
from tests.model_server.serving import APPLICANT, serving
from tests.tabular_model.oci import registries
from tests.tabular_model.oci.registries import PASSWORD, USER
from tests.tabular_model.test_bundle import make, verified
from tests.tabular_model.versions import FILES, publish

_numbers = itertools.count()
IMAGE = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    with registries.registry(tmp_path_factory.mktemp("container-registry")) as host:
        yield host


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """No credentials of whoever runs the tests."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@pytest.fixture
def repository(host):
    return f"{host}/lending/loan-{next(_numbers)}"


@pytest.fixture
def url(repository):
    return f"oci://{repository}"


@pytest.fixture
def folder(tmp_path, keys):
    """A registry with v1, signed, and v2, which failed the gate and is not."""
    registry = Registry.open(tmp_path / "registry", create=True)
    publish(registry, signer=Signer.read(keys / "signing.key"))
    publish(registry, passed=False)
    return tmp_path / "registry"


@pytest.fixture
def push(folder):
    """`loan versions push` from that registry; the digest that it prints."""

    def run(version, target, *options):
        command = ["versions", "push", version, target, "--registry", str(folder), *options]
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
        return done.stdout.split()[-1]

    return run


@pytest.fixture
def refused(folder):
    """The sentence with which a push ends that does not succeed."""

    def run(*words):
        done = CliRunner().invoke(app, ["versions", "push", *words, "--registry", str(folder)])
        assert (done.exit_code, done.stdout) == (1, "")
        return done.stderr.splitlines()[-1]

    return run


def fetched(repository, tag):
    host, _, name = repository.partition("/")
    return httpx.get(f"http://{host}/v2/{name}/manifests/{tag}", headers={"Accept": f"{IMAGE}, {INDEX}"})


def blob(repository, descriptor):
    host, _, name = repository.partition("/")
    return httpx.get(f"http://{host}/v2/{name}/blobs/{descriptor['digest']}").content


def test_what_is_pushed_is_an_image_whose_layer_is_named_by_what_is_in_it(push, repository, folder):
    digest = push("v1", f"oci://{repository}:v1")
    response = fetched(repository, "v1")
    assert (response.headers["Content-Type"], response.headers["Docker-Content-Digest"]) == (IMAGE, digest)
    manifest = response.json()
    version = json.loads((folder / "v1/manifest.json").read_bytes())
    assert manifest["annotations"] == {
        "org.opencontainers.image.created": version["created"][:19] + "Z",
        "org.opencontainers.image.title": "loan",
        "org.opencontainers.image.version": "v1",
        "loan-model.manifest.sha256": hashlib.sha256((folder / "v1/manifest.json").read_bytes()).hexdigest(),
        "loan-model.signer": version["signer"],
    }
    (layer,) = manifest["layers"]
    config = json.loads(blob(repository, manifest["config"]))
    unpacked = zlib.decompress(blob(repository, layer), 31)
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(unpacked).hexdigest()}"]
    assert (config["os"], config["architecture"]) == ("linux", "amd64")


def test_the_same_version_has_the_same_digest_wherever_and_how_often_it_is_pushed(push, url):
    assert len({push("v1", url), push("v1", f"{url}:v1"), push("v1", f"{url}/copy")}) == 1


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_oras_unpacks_the_version_as_it_is(push, url, repository, folder, tmp_path, version):
    push(version, url)
    subprocess.run(
        [gotool("oras"), "pull", "--plain-http", "--output", tmp_path / "out", f"{repository}:{version}"], check=True
    )
    pulled = {path.name: path.read_bytes() for path in (tmp_path / "out/models").iterdir()}
    assert pulled == {path.name: path.read_bytes() for path in (folder / version).iterdir()}
    assert ("manifest.sig" in pulled) == (version == "v1")


def test_the_bundle_for_other_tools_goes_along(push, url, repository, folder, tmp_path):
    key = make(tmp_path)
    Registry.open(folder).add_bundle("v1", Bundler.read(key).sign(Registry.open(folder).export("v1").files, "v1"))
    push("v1", url)
    subprocess.run([gotool("oras"), "pull", "--plain-http", f"{repository}:v1"], cwd=tmp_path, check=True)
    assert verified(tmp_path / "models", key.with_suffix(".pub"))[0]
    with pytest.raises(RegistryError, match="by being pushed"):
        Registry.open(url).add_bundle("v1", b"")


def test_what_oras_pulls_is_served_by_the_key_that_signed_it(url, repository, trained_registry, keys, tmp_path):
    trained = Registry.open(trained_registry).load("v2")
    signed = Registry.open(tmp_path / "signed", create=True)
    signed.publish(
        trained.files,
        lambda version, _: replace(trained.manifest, version=version),
        Signer.read(keys / "signing.key"),
    )
    command = ["versions", "push", "v1", url, "--registry", str(tmp_path / "signed")]
    assert CliRunner().invoke(app, command).exit_code == 0
    subprocess.run([gotool("oras"), "pull", "--plain-http", f"{repository}:v1"], cwd=tmp_path, check=True)
    with serving(tmp_path / "models", verify_key=keys / "signing.pub") as server:
        answer = httpx.post(f"{server.url}/predict", json=APPLICANT).json()
    expected = TabularModel.from_registry(Registry.open(trained_registry), "v2")
    row = np.array([[float(value) for value in APPLICANT.values()]])
    assert answer["model_version"] == "v1"
    assert answer["probability"] == pytest.approx(expected.score(row).probability[0])


def test_it_is_read_as_any_other_registry(push, url, folder, keys):
    for version in ("v1", "v2"):
        push(version, url)
    registry = Registry.open(url, verify_key=keys / "signing.pub")
    assert (registry.versions(), registry.latest(), registry.champion()) == (["v1", "v2"], "v2", None)
    assert registry.load("v1").files == FILES
    assert registry.export("v1") == Registry.open(folder).export("v1")
    assert registry.default() == "v1"
    with pytest.raises(IntegrityError, match="v2 is not signed"):
        registry.load("v2")
    with pytest.raises(VersionNotFound, match="has no version v3; it has v1, v2"):
        registry.load("v3")


def test_an_address_with_a_tag_is_that_version_alone(push, url):
    push("v1", url)
    push("v2", url)
    registry = Registry.open(f"{url}:v2")
    assert (registry.versions(), registry.champion()) == (["v2"], None)
    with pytest.raises(VersionNotFound):
        registry.load("v1")


def test_a_promotion_is_kept_beside_the_versions(push, url, repository):
    push("v1", url)
    push("v2", url)
    registry = Registry.open(url)
    registry.promote("v1", by="ada", reason="first")
    with pytest.raises(GateFailed):
        registry.promote("v2", by="ada", reason="second")
    registry.promote("v2", by="ada", reason="second", force=True)
    assert [each.reason for each in Registry.open(url).promotions()] == ["first", "second"]
    assert (Registry.open(url).champion(), Registry.open(url).versions()) == ("v2", ["v1", "v2"])
    assert fetched(repository, "promotion-000002").json()["artifactType"].startswith("application/vnd.loan-model")


def test_versions_are_never_changed(push, refused, url, folder):
    digest = push("v1", url)
    (folder / "v1/manifest.sig").unlink()
    said = refused("v1", url)
    assert "is there already, and has other content" in said
    assert digest in said


def test_a_changed_version_is_not_pushed(refused, url, folder):
    (folder / "v1/report.html").write_text("another")
    assert "v1/report.html was changed" in refused("v1", url)
    assert Registry.open(url).versions() == []


def test_a_layer_that_is_changed_in_the_registry_is_refused(push, tmp_path):
    (tmp_path / "changed").mkdir()
    with registries.registry(tmp_path / "changed") as host:
        url = f"oci://{host}/loan"
        push("v1", url)
        (layer,) = fetched(f"{host}/loan", "v1").json()["layers"]
        digest = layer["digest"].removeprefix("sha256:")
        path = tmp_path / f"changed/blobs/docker/registry/v2/blobs/sha256/{digest[:2]}/{digest}/data"
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        with pytest.raises(IntegrityError, match="another content"):
            Registry.open(url).load("v1")


@pytest.mark.parametrize(
    "layer", [b"no archive", zlib.compress(b"no tar" * 1000, wbits=31)], ids=["not packed", "not a tar"]
)
def test_an_image_of_somebody_elses_is_refused_in_a_sentence(url, layer):
    client = Client(Reference.parse(url))
    content, config = Blob(layer, "application/octet-stream"), Blob(b"{}", "application/vnd.oci.empty.v1+json")
    for each in (content, config):
        client.put_blob(each.content)
    described = content.descriptor(annotations={"org.opencontainers.image.title": "models"})
    client.put_manifest("v1", artifact(config, [described]))
    with pytest.raises(IntegrityError, match="cannot be unpacked"):
        Registry.open(url).load("v1")


def test_what_is_no_version_is_passed_over(push, url):
    push("v1", url)
    client, other = Client(Reference.parse(url)), Blob(b"{}", "application/vnd.oci.empty.v1+json")
    client.put_blob(other.content)
    client.put_manifest("edge", artifact(other, [other.descriptor()]))
    assert Registry.open(url).versions() == ["v1"]


def base_image(url, architecture="amd64", **config):
    """An image of one layer, as docker pushes it; its blobs."""
    client = Client(Reference.parse(url))
    layer = Blob(zlib.compress(b"\0" * 1024, wbits=31), "application/vnd.docker.image.rootfs.diff.tar.gzip")
    document = {"os": "linux", "architecture": architecture, "config": config, "rootfs": {"diff_ids": ["sha256:0"]}}
    described = Blob(msgspec.json.encode(document), "application/vnd.docker.container.image.v1+json")
    for each in (layer, described):
        client.put_blob(each.content)
    manifest = json.loads(artifact(described, [layer.descriptor()]).content) | {"mediaType": DOCKER_MANIFEST}
    return client, layer, Blob(msgspec.json.encode(manifest), DOCKER_MANIFEST)


def test_a_version_is_laid_on_a_base_that_brings_a_shell(push, refused, host, url, repository):
    base = f"oci://{host}/base-{next(_numbers)}:1"
    client, layer, manifest = base_image(base, Env=["PATH=/bin"], Entrypoint=["/bin/sh"])
    client.put_manifest("1", manifest)
    assert "is for linux/amd64, not linux/arm64" in refused("v1", url, "--base", base, "--platform", "linux/arm64")
    push("v1", url, "--base", base)
    pushed = fetched(repository, "v1").json()
    assert pushed["layers"][0]["digest"] == layer.digest
    assert {each["mediaType"] for each in pushed["layers"]} == {"application/vnd.oci.image.layer.v1.tar+gzip"}
    config = json.loads(blob(repository, pushed["config"]))
    assert config["config"] == {"Env": ["PATH=/bin"]}
    assert config["rootfs"]["diff_ids"][0] == "sha256:0"
    assert len(config["rootfs"]["diff_ids"]) == 2
    assert Registry.open(url).load("v1").files == FILES


def test_of_a_base_for_many_platforms_one_is_taken(push, refused, host, url, repository):
    base = f"oci://{host}/base-{next(_numbers)}:1"
    described = []
    for architecture in ("amd64", "arm64"):
        client, _, manifest = base_image(base, architecture)
        client.put_manifest(architecture, manifest)
        described.append(manifest.descriptor(platform={"os": "linux", "architecture": architecture}))
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": described}
    client.put_manifest("1", Blob(msgspec.json.encode(index), INDEX))
    assert "There is no base image" in refused("v1", url, "--base", base, "--platform", "linux/s390x")
    push("v1", url, "--base", base, "--platform", "linux/arm64")
    assert json.loads(blob(repository, fetched(repository, "v1").json()["config"]))["architecture"] == "arm64"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("oci://HOST/loan:v2", "The tag of v1 is its name, and oci://HOST/loan:v2 has another"),
        ("https://HOST/loan", "is not of the form oci://HOST/REPOSITORY"),
        ("oci://HOST/Loan", "is not of the form oci://HOST/REPOSITORY"),
        ("oci://HOST", "is not of the form oci://HOST/REPOSITORY"),
        ("oci://127.0.0.1:1/loan", "The registry oci://127.0.0.1:1/loan cannot be used"),
    ],
)
def test_a_target_that_is_none_is_named(refused, host, target, words):
    assert words.replace("HOST/loan", f"{host}/loan") in refused("v1", target.replace("HOST", host))


def test_a_training_does_not_publish_there(url, data_file):
    done = CliRunner().invoke(app, ["train", "--data", str(data_file), "--registry", url])
    assert done.exit_code == 1
    assert "`loan versions push`" in done.stderr
    with pytest.raises(RegistryError, match="by being pushed"):
        publish(Registry.open(url))


class TestCredentials:
    @pytest.fixture(params=["basic", "bearer"])
    def closed(self, request, tmp_path):
        """A registry that takes one user alone."""
        if request.param == "basic":
            with registries.registry(tmp_path, registries.basic(tmp_path)) as host:
                yield host
        else:
            with registries.bearer(tmp_path) as auth, registries.registry(tmp_path, auth) as host:
                yield host

    @pytest.fixture
    def docker(self, tmp_path):
        """Writes docker's configuration."""

        def write(content):
            (tmp_path / "docker").mkdir(exist_ok=True)
            (tmp_path / "docker/config.json").write_text(json.dumps(content))

        return write

    def test_who_has_logged_in_by_docker_pushes_and_reads(self, closed, docker, push):
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        docker({"auths": {f"https://{closed}": {"auth": auth}}})
        push("v1", f"oci://{closed}/loan")
        assert Registry.open(f"oci://{closed}/loan").load("v1").files == FILES

    def test_a_secret_of_kubernetes_does_as_well(self, closed, docker, push):
        docker({"auths": {closed: {"username": USER, "password": PASSWORD}}})
        push("v1", f"oci://{closed}/loan")

    def test_who_is_nobody_or_another_is_told_so_and_sees_no_password(self, closed, docker, refused):
        for content in ({}, {"auths": {closed: {"username": USER, "password": "hunter2"}}}):
            docker(content)
            said = refused("v1", f"oci://{closed}/loan")
            assert "401" in said
            assert "hunter2" not in said

    def test_a_credential_helper_is_asked(self, closed, docker, push, tmp_path, monkeypatch):
        helper = tmp_path / "docker-credential-vault"
        answer = json.dumps({"Username": USER, "Secret": PASSWORD})
        helper.write_text(f"#!/bin/sh\ntest \"$1 $(cat)\" = 'get {closed}' && echo '{answer}'\n")
        helper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        docker({"auths": {closed: {}}, "credsStore": "vault"})
        push("v1", f"oci://{closed}/loan")

    @pytest.mark.parametrize("closed", ["bearer"], indirect=True)
    def test_a_refresh_token_is_exchanged(self, closed, docker, push):
        docker({"auths": {closed: {"identitytoken": PASSWORD}}})
        push("v1", f"oci://{closed}/loan")

    @pytest.mark.parametrize("content", [[], {"auths": {"HOST": {"auth": "%"}}}, {"credsStore": "absent"}])
    def test_a_configuration_that_is_broken_is_named(self, host, docker, refused, content):
        docker(json.loads(json.dumps(content).replace("HOST", host)))
        assert "docker's configuration" in refused("v1", f"oci://{host}/loan").replace("as docker's", "docker's")
