"""One Spark session in this process, on both cores of this machine."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A session as `loan predict --engine spark` makes it."""
    pytest.importorskip("pyspark", reason="pyspark is not installed: `make test` installs it where there is Java")
    if not shutil.which("java"):
        pytest.skip("there is no Java on the PATH, which Spark needs")
    from loan_spark.session import session  # noqa: PLC0415

    # Small data: as many partitions as there are cores.
    with session("local[2]", {"spark.sql.shuffle.partitions": "2", "spark.default.parallelism": "2"}) as made:
        yield made
