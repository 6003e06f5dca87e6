"""The same release on a bucket behind a proxy, with a certificate of a private authority; a Secret that is wrong.

And two million applications in that bucket, scored by Spark on the cluster while its processes are killed; a version
that Spark trains on what is there.
"""

import io
import json
import time
from pathlib import Path

import boto3
import numpy as np
import pandas as pd
import pytest

from loan_model.synthetic import LOAN, generate
from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tests import proxy
from tests.certificates import issue
from tests.e2e.cluster import forwarded, kubectl, of_image, wait_for
from tests.e2e.gateway import ROWS, SteadyLoad, by_v2_rest, client
from tests.e2e.test_release_on_a_claim import ENDPOINTS, answers

KEYS = {"AWS_ACCESS_KEY_ID": "loan", "AWS_SECRET_ACCESS_KEY": "loan-secret", "AWS_REGION": "us-east-1"}
VALUES = {
    "storage.type": "bucket",
    "storage.bucket.url": "s3://models/registry",
    "storage.bucket.secret": "s3",
    "storage.bucket.endpoint": "https://s3:7070",
    "storage.bucket.region": "us-east-1",
    "storage.bucket.caConfigMap.name": "authorities",
    "storage.bucket.proxy.https": "http://proxy:3128",
    "training.run": "true",
}
PORTFOLIO, PARTS = 2_000_000, 20
# Little of each processor is asked for, as all share this machine's.
SMALL = {"memory": "1g", "memoryOverhead": "1g", "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": 1}}}
SCORING = {
    "enabled": True,
    "input": "s3://models/portfolio",
    "output": "s3://models/scores/portfolio",
    "version": "v1",
    "driver": SMALL,
    "executors": SMALL | {"instances": 2},
    "conf": {"spark.sql.files.maxPartitionBytes": "4m"},
}
HISTORY, PARTS_OF_HISTORY = 300_000, 3
TRAINING = {
    "engine": "spark",
    "data": {"type": "bucket", "bucket": {"url": "s3://models/history"}},
    "parameters": {"algorithm": "gradient_boosting"},  # whose workers connect to each other and to the driver
    "spark": {"driver": SMALL | {"memoryOverhead": "2g"}, "executors": SMALL | {"instances": 2}},
}
# What a platform may ask of pods beside it.
POD = {
    "labels": {"team": "risk"},
    "annotations": {"example.com/owner": "risk"},
    "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
    "envFrom": [{"configMapRef": {"name": "authorities"}, "prefix": "AUTHORITY_"}],
    "volumes": [{"name": "scratch", "emptyDir": {}}],
    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
}


@pytest.fixture(scope="module", autouse=True)
def bucket(release, tmp_path_factory):
    """A bucket in the namespace; what a client needs to reach it from here."""
    files = issue(tmp_path_factory.mktemp("certificates"), "s3")
    release.kubectl("create", "secret", "tls", "s3-tls", f"--cert={files.certificate}", f"--key={files.key}")
    release.kubectl("create", "configmap", "authorities", f"--from-file=ca.crt={files.authority}")
    release.kubectl("create", "configmap", "proxy", f"--from-file={proxy.__file__}")
    manifest = Path(__file__).with_name("s3.yaml").read_text().replace("SERVER_IMAGE", release.server_image)
    release.kubectl("apply", "--filename=-", input=manifest)
    for name in ("s3", "proxy"):
        release.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")
    with forwarded(release.namespace, "service/s3", 7070) as port, pytest.MonkeyPatch.context() as environment:
        # kubectl's port is closed for a moment whenever a connection through it broke off.
        for name, value in (KEYS | {"AWS_MAX_ATTEMPTS": "10", "AWS_RETRY_MODE": "standard"}).items():
            environment.setenv(name, value)
        for name in ("SSL_CERT_FILE", "AWS_CA_BUNDLE"):
            environment.setenv(name, str(files.authority))
        environment.setenv("AWS_ENDPOINT_URL", f"https://127.0.0.1:{port}")
        boto3.client("s3", region_name=KEYS["AWS_REGION"]).create_bucket(Bucket="models")
        yield


@pytest.fixture(scope="module", autouse=True)
def before(release, bucket):
    return release.objects()


def through_the_proxy(release):
    """How many connections have led through it to the bucket."""
    return release.kubectl("logs", "deployment/proxy").count("s3:7070")


def test_a_bucket_is_trained_to_and_served_from(release):
    values = [word for name, value in VALUES.items() for word in ("--set", f"{name}={value}")]
    release.install(*values, "--set-json", f"serving.pod={json.dumps(POD)}")
    release.wait(f"job/{release.service}-training-initial", "condition=Complete")
    by_training = through_the_proxy(release)
    release.upgrade("--set", "stable.version=v1")
    release.wait(f"inferenceservice/{release.service}", "condition=Ready")
    wait_for(lambda: answers("v1"), 60, "the first prediction")
    assert 0 < by_training < through_the_proxy(release)


def test_pods_are_as_the_platform_wants_them(release):
    (pod, *_) = release.get("pods", "--selector", "team=risk")["items"]
    assert pod["metadata"]["annotations"]["example.com/owner"] == "risk"
    release.kubectl("exec", pod["metadata"]["name"], "--", "test", "-w", "/scratch")
    environment = release.kubectl("exec", pod["metadata"]["name"], "--", "env")
    assert f"NODE={pod['spec']['nodeName']}\n" in environment
    assert "AUTHORITY_ca.crt=-----BEGIN CERTIFICATE-----\n" in environment


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_endpoint_gives_the_probabilities_of_the_version_in_the_bucket(endpoint):
    version, probabilities = endpoint()
    assert version == "v1"
    expected = TabularModel.from_registry(Registry.open(VALUES["storage.bucket.url"]), "v1").score(ROWS).probability
    assert np.abs(np.array(probabilities) - expected).max() <= 1e-9


def put_parquet(rows, key):
    body = io.BytesIO()
    rows.to_parquet(body, index=False)
    boto3.client("s3", region_name=KEYS["AWS_REGION"]).put_object(Bucket="models", Key=key, Body=body.getvalue())


@pytest.fixture(scope="module")
def portfolio():
    """Two million applications as Parquet in the bucket, one in a thousand of which has a flaw; a sample of them."""
    samples = []
    for part in range(PARTS):
        rows = generate(PORTFOLIO // PARTS, seed=100 + part)[list(LOAN.schema.names)].astype(float)
        rows.insert(0, "Customer", np.arange(len(rows)) + part * len(rows))
        rows.loc[rows.index % 1000 == 0, "Had_Past_Default"] = 0.5
        put_parquet(rows, f"portfolio/part-{part:02}.parquet")
        samples.append(rows.sample(1000 // PARTS, random_state=part))
    return pd.concat(samples).set_index("Customer")


def written(prefix):
    found = boto3.client("s3", region_name=KEYS["AWS_REGION"]).list_objects_v2(Bucket="models", Prefix=prefix)
    return [each["Key"] for each in found.get("Contents", ())]


def read_back(prefix):
    """All rows of the Parquet files directly below a prefix."""
    client = boto3.client("s3", region_name=KEYS["AWS_REGION"])
    keys = [key for key in written(prefix) if key.removeprefix(prefix).startswith("part-")]
    files = [client.get_object(Bucket="models", Key=key)["Body"].read() for key in keys]
    return pd.concat(pd.read_parquet(io.BytesIO(file)) for file in files)


def running(release, component):
    pods = release.get("pods", "--selector", f"app.kubernetes.io/component={component}")["items"]
    return [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running"]


def test_spark_scores_a_portfolio_though_an_executor_and_the_driver_are_killed(release, portfolio, spark_image, figure):
    started = time.monotonic()
    release.upgrade(*of_image("spark", spark_image), "--set-json", f"scoring={json.dumps(SCORING)}")
    wait_for(lambda: len(running(release, "scoring-executor")) == 2, 180, "two executors")
    wait_for(lambda: written("scores/_loan-"), 180, "rows that are being written")
    release.kubectl("delete", "pod", running(release, "scoring-executor")[0], "--force", "--grace-period=0")
    (driver,) = running(release, "scoring")
    release.kubectl("delete", "pod", driver, "--force", "--grace-period=0")
    assert not written("scores/portfolio")
    (job,) = (name for name in release.kubectl("get", "jobs", "--output=name").split() if "-scoring-" in name)
    release.wait(job, "condition=Complete", seconds=400)
    figure("scoring on Spark", f"{PORTFOLIO:,} rows, executor and driver killed: {time.monotonic() - started:.0f} s")
    assert {key.split("/")[1] for key in written("scores/")} == {"portfolio"}
    release.upgrade("--set", "scoring.enabled=false")  # else each later upgrade that changes the pods runs it again


def test_every_row_is_there_once_with_the_answer_of_the_endpoint(release, portfolio):
    scored = read_back("scores/portfolio/")
    refused = read_back("scores/portfolio/_refused/")
    assert sorted([*scored["Customer"], *refused["Customer"]]) == list(range(PORTFOLIO))
    manifest = json.loads(
        boto3.client("s3").get_object(Bucket="models", Key="scores/portfolio/_manifest.json")["Body"].read()
    )
    assert manifest["counts"]["refused"] == len(refused) == PORTFOLIO // 1000
    assert manifest["counts"]["scored"] == sum(manifest["scores"]["counts"]) == len(scored)
    good = portfolio[portfolio["Had_Past_Default"] != 0.5]
    _, probabilities = by_v2_rest(good.to_numpy())
    assert scored.set_index("Customer").loc[good.index, "probability"].tolist() == probabilities
    flawed = good.iloc[0].to_dict() | {"Had_Past_Default": 0.5}
    with client() as http:
        application = {name: None if np.isnan(value) else value for name, value in flawed.items()}
        sentence = http.post("/predict", json=application).json()["error"]
    assert set(refused["refused"]) == {sentence}


def test_spark_trains_a_version_on_two_executors(release, spark_image, figure):
    for part in range(PARTS_OF_HISTORY):
        put_parquet(generate(HISTORY // PARTS_OF_HISTORY, seed=200 + part), f"history/part-{part}.parquet")
    started = time.monotonic()
    release.upgrade(*of_image("spark", spark_image), "--set-json", f"training={json.dumps(TRAINING)}")
    release.start_training("on-spark")
    wait_for(lambda: len(running(release, "training-executor")) == 2, 180, "two executors")
    assert len(running(release, "training")) == 1
    result = release.trained("on-spark", seconds=400)
    figure("training on Spark", f"{HISTORY:,} rows, two executors: {time.monotonic() - started:.0f} s")
    assert result["passed"], result["reasons"]
    manifest = Registry.open(VALUES["storage.bucket.url"]).manifest(result["version"])
    assert manifest.engine == "spark"
    assert manifest.data.source == "s3://models/history"
    assert manifest.data.rows == HISTORY
    wait_for(lambda: not running(release, "training-executor"), 60, "the executors to go")
    release.upgrade("--set", "training.engine=auto", "--set", "training.parameters.algorithm=")


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
    containers = kubectl("get", "clusterstoragecontainer", "--output=name")
    assert release.namespace not in containers
