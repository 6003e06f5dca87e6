"""The same release on a bucket, and a Secret that is wrong."""

import json
from pathlib import Path

import boto3
import numpy as np
import pytest

from loan_model.synthetic import generate
from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tests.e2e.cluster import forwarded, kubectl, wait_for
from tests.e2e.gateway import ROWS, SteadyLoad
from tests.e2e.test_release_on_a_claim import ENDPOINTS, answers

KEYS = {"AWS_ACCESS_KEY_ID": "loan", "AWS_SECRET_ACCESS_KEY": "loan-secret", "AWS_REGION": "us-east-1"}
VALUES = {
    "storage.type": "bucket",
    "storage.bucket.url": "s3://models/registry",
    "storage.bucket.secret": "s3",
    "storage.bucket.endpoint": "http://s3:7070",
    "storage.bucket.region": "us-east-1",
    "training.run": "true",
}
RESTRICTED = {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}}


@pytest.fixture(scope="module", autouse=True)
def restricted_initializer(cluster):
    """KServe's storage initializer in the form that the restricted standard admits, as the chart's README says."""

    def set_security(context):
        patch = json.dumps({"spec": {"container": {"securityContext": context}}})
        kubectl("patch", "clusterstoragecontainer", "default", "--type=merge", f"--patch={patch}")

    set_security(RESTRICTED)
    yield
    set_security(None)


@pytest.fixture(scope="module", autouse=True)
def bucket(release, restricted_initializer):
    """A bucket in the namespace; what a client needs to reach it from here."""
    release.kubectl("apply", "--filename", str(Path(__file__).with_name("s3.yaml")))
    release.kubectl("rollout", "status", "deployment/s3", "--timeout=60s")
    with forwarded(release, "service/s3", 7070) as port, pytest.MonkeyPatch.context() as environment:
        for name, value in KEYS.items():
            environment.setenv(name, value)
        environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        boto3.client("s3", region_name=KEYS["AWS_REGION"]).create_bucket(Bucket="models")
        yield


@pytest.fixture(scope="module", autouse=True)
def before(release, bucket):
    return release.objects()


def test_a_bucket_is_trained_to_and_served_from(release):
    release.install(*(word for name, value in VALUES.items() for word in ("--set", f"{name}={value}")))
    release.wait(f"job/{release.service}-training-initial", "condition=Complete")
    release.upgrade("--set", "stable.version=v1")
    release.wait(f"inferenceservice/{release.service}", "condition=Ready")
    wait_for(lambda: answers("v1"), 60, "the first prediction")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_endpoint_gives_the_probabilities_of_the_version_in_the_bucket(endpoint):
    version, probabilities = endpoint()
    assert version == "v1"
    expected = TabularModel.from_registry(Registry.open(VALUES["storage.bucket.url"]), "v1").score(ROWS).probability
    assert np.abs(np.array(probabilities) - expected).max() <= 1e-9


def test_a_wrong_secret_is_named_and_the_old_version_keeps_serving(release, figure):
    with SteadyLoad() as load:
        release.upgrade("--set", "storage.bucket.secret=s3-wrong")
        seconds = wait_for(lambda: "S3 error [403]: Forbidden" in release.why(), 60, "the cause in a condition")
        release.helm("rollback", release.name)
        release.wait_until_rolled_out()
    figure("cause named, wrong Secret", f"{seconds:.0f} s after helm upgrade; {len(load.failed)} of {load.sent} failed")
    assert not load.failed
    assert set(load.versions) == {"v1"}


def test_data_from_a_bucket_is_trained_on(release):
    content = generate(3000, 1).to_csv(index=False).encode()
    boto3.client("s3", region_name=KEYS["AWS_REGION"]).put_object(Bucket="models", Key="data.csv", Body=content)
    release.upgrade("--set", "training.data.type=bucket", "--set", "training.data.bucket.url=s3://models/data.csv")
    version = release.train("from-a-bucket")["version"]
    manifest = Registry.open(VALUES["storage.bucket.url"]).manifest(version)
    assert manifest.data.source == "s3://models/data.csv"
    assert manifest.data.rows == 3000


def test_uninstall_leaves_nothing(release, before):
    release.helm("uninstall", release.name, "--wait")
    wait_for(lambda: release.objects() == before, 90, "everything of the release to go")
