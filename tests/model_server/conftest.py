"""A server with two versions, asked by many tests, and what it should answer."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from loan_model.synthetic import LOAN
from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tests.model_server.serving import Server, serving


@pytest.fixture(scope="session")
def server(trained_registry: Path) -> Iterator[Server]:
    with serving(trained_registry, refresh_seconds=0.2) as running:
        yield running


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def model(trained_registry: Path) -> TabularModel:
    """v1 as the server should have it."""
    return TabularModel.from_registry(Registry.open(trained_registry), "v1")


@pytest.fixture(scope="session")
def latest(trained_registry: Path) -> TabularModel:
    """v2, which answers by default."""
    return TabularModel.from_registry(Registry.open(trained_registry), "v2")


@pytest.fixture
def matrix() -> NDArray[np.float64]:
    """Twenty applications, some values missing where they may be."""
    random = np.random.default_rng(7)
    rows = np.column_stack([random.uniform(c.minimum, c.maximum, 20) for c in LOAN.columns])
    for index, column in enumerate(LOAN.columns):
        if column.type == "integer":
            rows[:, index] = np.rint(rows[:, index])
        if column.nullable:
            rows[random.random(20) < 0.2, index] = np.nan
    return rows
