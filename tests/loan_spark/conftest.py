"""One Spark session in this process, on both cores of this machine."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.loan_spark import quick


@pytest.fixture(scope="session")
def java() -> None:
    """Skips where Spark cannot start; processes that the tests start compile little, too."""
    pytest.importorskip("pyspark", reason="pyspark is not installed: `make test` installs it where there is Java")
    if not shutil.which("java"):
        pytest.skip("there is no Java on the PATH, which Spark needs")
    os.environ["JAVA_TOOL_OPTIONS"] = quick.JAVA


@pytest.fixture(scope="session")
def spark(java: None) -> Iterator[Any]:
    """A session as `loan predict --engine spark` makes it, which tries a task twice."""
    from loan_spark.session import session  # noqa: PLC0415

    with session("local[2,2]", quick.SETTINGS) as made:
        yield made
