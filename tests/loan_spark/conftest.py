"""One Spark session in this process, on both cores of this machine."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

SETTINGS = {
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    "spark.sql.codegen.wholeStage": "false",
}


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A session as `loan predict --engine spark` makes it."""
    pytest.importorskip("pyspark", reason="pyspark is not installed: `make test` installs it where there is Java")
    if not shutil.which("java"):
        pytest.skip("there is no Java on the PATH, which Spark needs")
    from loan_spark.session import session  # noqa: PLC0415

    # Small data: compiling costs more than it saves. Processes that the tests start have this too.
    os.environ["JAVA_TOOL_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    with session("local[2]", SETTINGS) as made:
        yield made
