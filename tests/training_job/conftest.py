from collections.abc import Iterator

import pytest

from tests.training_job.cluster import Cluster, serving


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with serving() as cluster:
        yield cluster
