"""A Spark session for one run, and what goes wrong in it as one sentence."""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from tabular_model.errors import ModelError

_OURS = re.compile(r"^(?:tabular_model|model_server)\.errors\.\w+: (.+)$", re.MULTILINE)
_PYTHON = re.compile(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|Exit|Interrupt): .+)$", re.MULTILINE)
_CAUSE = re.compile(r"^Caused by: (?:[\w.$]+(?:Exception|Error): )?(.+)$", re.MULTILINE)
_RAISED = re.compile(r"^: (?:[\w.$]+(?:Exception|Error): )?(.+)$", re.MULTILINE)  # below the call of py4j's that failed
_CONDITION = re.compile(r"^\[[\w.]+\] | SQLSTATE: \w+$")

SETTINGS = {
    "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}",
    # Else the rows are sorted, to write the scored and the refused ones apart.
    "spark.sql.maxConcurrentOutputFileWriters": "64",
    "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "1",  # the one that hides a killed task's files
    "spark.python.unix.domain.socket.enabled": "true",  # a tenth faster than TCP
    "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",  # a fifth faster than 10 000
    "spark.sql.execution.arrow.maxBytesPerBatch": "64m",  # a record of a training holds thousands of rows
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


class SparkFailed(ModelError):
    """Spark cannot be started, or a job of it failed."""


@contextmanager
def session(master: str, settings: Mapping[str, str]) -> Iterator[SparkSession]:
    """A session on `master`; what fails in it is a SparkFailed with one sentence."""
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        raise SparkFailed("Spark needs Java 17 or newer, and there is no java on the PATH.")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # of the workers; no setting of the session says it
    chosen = {"spark.master": master, "spark.app.name": "loan"} | SETTINGS | bucket_settings() | dict(settings)
    builder = SparkSession.builder
    for name, value in chosen.items():
        builder = builder.config(name, value)
    with failing_in_a_sentence(), builder.getOrCreate() as spark:
        yield spark


@contextmanager
def failing_in_a_sentence() -> Iterator[None]:
    """Turns what Spark raises into a SparkFailed."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        raise SparkFailed(sentence(error)) from error


def sentence(error: Exception) -> str:
    """What failed, without the traces of Java and Python: our own sentence where it is one, else the last cause."""
    text = str(error)
    if ours := _OURS.findall(text):
        return str(ours[-1])
    causes = _CAUSE.findall(text) or _PYTHON.findall(text) or _RAISED.findall(text)[:1]
    first = _CONDITION.sub("", (causes[-1] if causes else text.strip().splitlines()[0]).strip()).rstrip(".")
    return f"Spark failed: {first}."


def _proxy(endpoint: str) -> SplitResult | None:
    """The proxy that leads there, by HTTPS_PROXY, HTTP_PROXY and NO_PROXY, which Java does not read."""
    asked = urlsplit(endpoint)
    proxy = getproxies().get(asked.scheme)
    return urlsplit(proxy) if proxy and not proxy_bypass(str(asked.hostname)) else None


def bucket_settings() -> dict[str, str]:
    """How Hadoop's client reaches S3, from the variables by which every client of ours does."""
    settings = {"aws.credentials.provider": "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"}
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        settings |= {"endpoint": endpoint, "path.style.access": "true"}
        settings["connection.ssl.enabled"] = str(endpoint.startswith("https")).lower()
    if region := os.environ.get("AWS_REGION"):
        settings["endpoint.region"] = region
    if proxy := _proxy(endpoint or "https://s3.amazonaws.com"):
        settings |= {"proxy.host": str(proxy.hostname), "proxy.port": str(proxy.port or 80)}
    return {f"spark.hadoop.fs.s3a.{name}": value for name, value in settings.items()}
