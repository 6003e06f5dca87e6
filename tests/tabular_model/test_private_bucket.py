"""A bucket behind a proxy, with a certificate of a private authority, reached as the chart's environment says."""

import itertools
import shutil
import subprocess
from pathlib import Path

import boto3
import pytest
import yaml

from loan_model.synthetic import generate
from tabular_model.data import read
from tabular_model.errors import DataError, RegistryError
from tabular_model.registry import Registry
from tests.certificates import issue
from tests.conftest import S3_KEYS, serving_s3
from tests.proxy import proxying
from tests.tabular_model.versions import FILES, publish

CHART = Path(__file__).parents[2] / "helm/loan-model"
_numbers = itertools.count()

pytestmark = pytest.mark.skipif(not shutil.which("helm"), reason="helm is not installed")


@pytest.fixture(scope="module")
def issued(tmp_path_factory):
    return issue(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(tmp_path_factory, issued):
    with serving_s3(tmp_path_factory.mktemp("s3"), issued.certificate, issued.key) as url:
        yield url


@pytest.fixture
def bucket(server, issued):
    """The name of a new, empty bucket."""
    name = f"private-{next(_numbers)}"
    keys = {
        "aws_access_key_id": S3_KEYS["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": S3_KEYS["AWS_SECRET_ACCESS_KEY"],
    }
    client = boto3.client("s3", endpoint_url=server, region_name="us-east-1", verify=str(issued.authority), **keys)
    client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def as_in_the_chart(server, issued, monkeypatch):
    """Sets the environment of a training; gives the URL of its registry."""

    def enter(bucket, **values):
        given = {
            "storage.type": "bucket",
            "storage.bucket.url": f"s3://{bucket}/registry",
            "storage.bucket.endpoint": server,
            "storage.bucket.region": "us-east-1",
            "storage.bucket.caConfigMap.name": "authorities",
            "storage.bucket.proxy.noProxy": ".svc",
        } | {f"storage.bucket.{name.replace('_', '.')}": value for name, value in values.items()}
        words = [word for name, value in given.items() for word in ("--set", f"{name}={value}")]
        show = ["--show-only", "templates/training/cronjob.yaml"]
        done = subprocess.run(["helm", "template", CHART, *show, *words], check=True, capture_output=True, text=True)
        pod = yaml.safe_load(done.stdout)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        environment = {each["name"]: each["value"] for each in container["env"] if "value" in each}
        if "SSL_CERT_FILE" in environment:
            assert environment["SSL_CERT_FILE"] in [
                f"{mount['mountPath']}/{item['path']}"
                for mount in container["volumeMounts"]
                for volume in pod["volumes"]
                if volume["name"] == mount["name"] and "configMap" in volume
                for item in volume["configMap"]["items"]
            ]
            environment["SSL_CERT_FILE"] = str(issued.authority)
        for name, value in (environment | S3_KEYS).items():
            monkeypatch.setenv(name, value)
        return environment["LOAN_REGISTRY"]

    return enter


def test_a_version_is_written_and_read_through_the_proxy(bucket, as_in_the_chart, server):
    with proxying() as (url, seen):
        registry = Registry.open(as_in_the_chart(bucket, proxy_https=url), create=True)
        publish(registry)
        assert registry.versions() == ["v1"]
        assert all(registry.read("v1", name) == content for name, content in FILES.items())
    assert set(seen) == {server.removeprefix("https://")}


def test_data_are_read_through_the_proxy(bucket, as_in_the_chart, server, issued):
    with proxying() as (url, seen):
        as_in_the_chart(bucket, proxy_https=url)
        content = generate(50, 0).to_csv(index=False).encode()
        boto3.client("s3", endpoint_url=server, verify=str(issued.authority)).put_object(
            Bucket=bucket, Key="data.csv", Body=content
        )
        seen.clear()
        assert len(read(f"s3://{bucket}/data.csv")) == 50
    assert set(seen) == {server.removeprefix("https://")}


def test_a_bucket_that_is_named_is_reached_without_the_proxy(bucket, as_in_the_chart):
    with proxying() as (url, seen):
        registry = Registry.open(as_in_the_chart(bucket, proxy_https=url, proxy_noProxy="127.0.0.1"), create=True)
        assert publish(registry).version == "v1"
    assert not seen


def test_a_proxy_that_refuses_is_named(bucket, as_in_the_chart):
    with proxying(refuses=True) as (url, _):
        root = as_in_the_chart(bucket, proxy_https=url)
        with pytest.raises(RegistryError, match="the proxy does not lead there"):
            Registry.open(root).versions()
        with pytest.raises(DataError, match="the proxy does not lead there"):
            read(f"s3://{bucket}/data.csv")


def test_an_authority_that_is_not_known_is_named(bucket, as_in_the_chart):
    root = as_in_the_chart(bucket, caConfigMap_name="")
    with pytest.raises(RegistryError, match="its certificate is not trusted; SSL_CERT_FILE names"):
        Registry.open(root).versions()


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_authorities_of_the_directory_are_trusted_beside_those_of_the_file(
    bucket, as_in_the_chart, issued, tmp_path, monkeypatch
):
    root = as_in_the_chart(bucket)
    subject = subprocess.run(
        ["openssl", "x509", "-subject_hash", "-noout", "-in", issued.authority],
        check=True,
        capture_output=True,
        text=True,
    )
    (tmp_path / f"{subject.stdout.strip()}.0").write_bytes(issued.authority.read_bytes())
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(issue(other).authority))
    assert Registry.open(root, create=True).versions() == []
