"""What the images weigh, and that they run as OpenShift runs them.

That is: any UID, which no file of the image names, group 0, and only /tmp to write to.
"""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.cluster import run, wait_for
from tests.e2e.conftest import Images
from tests.model_server.serving import APPLICANT

RESTRICTED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
UID, ANOTHER_UID = "1234567890:0", "1000660000:0"
REGISTRY = "/registry"
SPARK_BYTES = 1_000_000_000  # over the base and Java, a third of it what trains; PySpark as published is 280 MB more
SERVER_BYTES = 262_000_000  # over the base, 33 MB of it what writes Parquet; it was twice as much with KServe's package


def docker(image: str, user: str, *options: str, command: tuple[str, ...] = ()) -> str:
    return run("docker", "run", f"--user={user}", *RESTRICTED, *options, image, *command).strip()


@pytest.fixture(scope="module")
def volume(images: Images) -> Iterator[str]:
    """A volume that its group, 0, may write, as an `fsGroup` of 0 makes it."""
    name = run("docker", "volume", "create").strip()
    mount = f"--volume={name}:{REGISTRY}"
    run("docker", "run", "--rm", "--user=0", mount, "--entrypoint=chmod", images.training, "0770", REGISTRY)
    yield name
    run("docker", "volume", "rm", "--force", name)


@pytest.fixture(scope="module")
def trained(volume: str, images: Images) -> str:
    """A read-only mount of the volume, after a training published to it."""
    data = "/tmp/dataset.csv"
    train = f"loan data --rows 2000 --output {data} && loan train --json --data {data} --registry {REGISTRY}"
    options = ("--rm", f"--volume={volume}:{REGISTRY}", "--entrypoint=sh")
    result = docker(images.training, UID, *options, command=("-c", train))
    assert json.loads(result.splitlines()[-1])["version"] == "v1"
    return f"--volume={volume}:{REGISTRY}:ro"


def test_the_servers_image_stays_small(images: Images) -> None:
    weighed = docker(images.server, UID, "--rm", "--entrypoint=du", command=("--bytes", "--summarize", "/opt/loan"))
    assert int(weighed.split()[0]) < SERVER_BYTES


def test_the_server_answers_for_a_version_that_another_uid_published(trained: str, images: Images) -> None:
    options = ("--detach", trained, f"--env=LOAN_REGISTRY={REGISTRY}", "--publish=127.0.0.1::8080")
    container = docker(images.server, ANOTHER_UID, *options)
    try:
        url = f"http://{run('docker', 'port', container, '8080').split()[0]}"
        wait_for(lambda: ready(url), 60, "the server to be ready")
        answer = httpx.post(f"{url}/predict", json=APPLICANT).json()
        assert (answer["model_version"], 0 <= answer["probability"] <= 1) == ("v1", True)
    finally:
        print(run("docker", "logs", container, check=False))
        run("docker", "rm", "--force", container)


def test_the_registry_is_read_by_any_uid(trained: str, images: Images) -> None:
    listed = docker(images.training, ANOTHER_UID, "--rm", trained, command=("versions", "list", "--registry", REGISTRY))
    assert "v1" in listed


def test_the_rollout_says_what_it_takes(images: Images) -> None:
    assert "--to" in docker(images.rollout, UID, "--rm", command=("rollout", "--help"))


SPARK_JOB = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
rows = spark.range(1000).mapInArrow(lambda batches: batches, "id long")
rows.write.parquet("/tmp/rows")
print(spark.read.parquet("/tmp/rows").count(), spark._jvm.org.apache.hadoop.fs.s3a.S3AFileSystem().getScheme())
"""


def test_spark_runs_as_any_uid(spark_image: str) -> None:
    """As a driver, which Spark on Kubernetes starts so; as its own it runs in the release on a bucket."""
    write = f"echo '{SPARK_JOB}' > /tmp/job.py && exec /opt/entrypoint.sh driver --master 'local[2]' /tmp/job.py"
    options = ("--rm", "--env=SPARK_DRIVER_BIND_ADDRESS=127.0.0.1", "--entrypoint=sh")
    assert docker(spark_image, UID, *options, command=("-c", write)).splitlines()[-1] == "1000 s3a"


def test_the_image_for_spark_holds_the_command(spark_image: str) -> None:
    assert "--output" in docker(spark_image, UID, "--rm", command=("predict", "--help"))


def test_sparks_image_stays_small(spark_image: str) -> None:
    weighed = docker(spark_image, UID, "--rm", "--entrypoint=du", command=("--bytes", "--summarize", "/opt/loan"))
    assert int(weighed.split()[0]) < SPARK_BYTES


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v2/health/ready").status_code == 200
    except httpx.TransportError:
        return False
