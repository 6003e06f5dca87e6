"""How Spark reaches a bucket: by the variables that all our clients read, which Java does not."""

import shutil
import subprocess

import pytest

from loan_spark import authorities
from tests.certificates import issue

pytest.importorskip("pyspark", reason="pyspark is not installed: `make test` installs it where there is Java")

VARIABLES = ("AWS_ENDPOINT_URL", "AWS_REGION", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy")


@pytest.fixture
def settings(monkeypatch):
    from loan_spark.session import bucket_settings  # noqa: PLC0415 - where there is Spark

    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def read(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return {name.removeprefix("spark.hadoop.fs.s3a."): value for name, value in bucket_settings().items()}

    return read


def test_a_server_other_than_aws_is_reached_by_its_url(settings):
    found = settings(AWS_ENDPOINT_URL="http://minio:9000", AWS_REGION="eu-1")
    assert found["endpoint"] == "http://minio:9000"
    assert (found["path.style.access"], found["connection.ssl.enabled"]) == ("true", "false")
    assert found["endpoint.region"] == "eu-1"


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({"HTTPS_PROXY": "http://proxy.bank:3128"}, ("proxy.bank", "3128")),
        ({"HTTPS_PROXY": "http://proxy.bank:3128", "NO_PROXY": ".bank"}, (None, None)),
        ({"HTTP_PROXY": "http://proxy.bank:3128"}, (None, None)),
    ],
)
def test_a_proxy_is_used_for_what_it_is_for(settings, variables, proxy):
    found = settings(AWS_ENDPOINT_URL="https://s3.bank", **variables)
    assert (found.get("proxy.host"), found.get("proxy.port")) == proxy


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "An error occurred while calling z:org.apache.spark.api.python.PythonRDD.collectAndServe.\n"
            ": org.apache.spark.SparkException: Could not recover from a failed barrier ResultStage.\n"
            "\tat org.apache.spark.scheduler.DAGScheduler.failJobAndIndependentStages(DAGScheduler.scala:2935)\n",
            "Spark failed: Could not recover from a failed barrier ResultStage.",
        ),
        (
            "An error occurred while calling o1.load.\n: java.lang.RuntimeException: outer\n\tat a.B.c(D.java:1)\n"
            "Caused by: java.io.IOException: No space left on device\n\tat a.B.c(D.java:2)\n",
            "Spark failed: No space left on device.",
        ),
    ],
)
def test_what_java_raised_is_said_in_a_sentence(text, said):
    from loan_spark.session import sentence  # noqa: PLC0415 - where there is Spark

    assert sentence(Exception(text)) == said


@pytest.mark.skipif(not shutil.which("keytool"), reason="there is no keytool on the PATH, which comes with Java")
def test_java_reads_the_authorities(tmp_path):
    files = issue(tmp_path, "s3")
    store = tmp_path / "authorities.p12"
    store.write_bytes(authorities.truststore(files.authority, files.authority))
    command = ["keytool", "-list", "-keystore", store, "-storepass", authorities.PASSWORD]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Your keystore contains 1 entry" in listed
    assert "trustedCertEntry" in listed
