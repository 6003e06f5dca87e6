"""The same release on a bucket, and a Secret that is wrong."""

import json
from pathlib import Path

import boto3
import pytest

from tests.e2e.cluster import forwarded, kubectl, wait_for
from tests.e2e.gateway import by_v2_grpc, by_v2_rest
from tests.e2e.test_release_on_a_claim import answers

KEYS = {"aws_access_key_id": "loan", "aws_secret_access_key": "loan-secret", "region_name": "us-east-1"}
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
    release.kubectl("apply", "--filename", str(Path(__file__).with_name("s3.yaml")))
    release.kubectl("rollout", "status", "deployment/s3", "--timeout=60s")
    with forwarded(release, "service/s3", 7070) as port:
        boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **KEYS).create_bucket(Bucket="models")


def test_a_bucket_is_trained_to_and_served_from(release):
    release.install(*(word for name, value in VALUES.items() for word in ("--set", f"{name}={value}")))
    release.wait(f"job/{release.service}-training-initial", "condition=Complete")
    release.upgrade("--set", "stable.version=v1")
    release.wait(f"inferenceservice/{release.service}", "condition=Ready")
    wait_for(lambda: answers("v1"), 60, "the first prediction")
    assert by_v2_grpc() == by_v2_rest()


def test_a_wrong_secret_is_named_and_the_old_version_keeps_serving(release):
    release.upgrade("--set", "storage.bucket.secret=s3-wrong")
    seconds = wait_for(lambda: "SignatureDoesNotMatch" in release.why() or "403" in release.why(), 60, "the cause")
    assert seconds < 60
    assert by_v2_rest()[0] == "v1"
    release.helm("rollback", release.name)
    release.wait_until_rolled_out()
