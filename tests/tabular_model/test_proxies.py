"""Columns that stand for a protected one are found, and those that do not are not."""

import numpy as np
import pytest

from loan_model.synthetic import LOAN, generate
from tabular_model import proxies as module
from tabular_model.proxies import Proxy, proxies
from tabular_model.schema import Column, Schema

REGIONS = ("north", "south", "west")
SCHEMA = Schema(
    (
        Column(name="income", range=(-5, 5), direction="up"),
        Column(name="noise", range=(-5, 5), missing=True),
        Column(name="region", type="category", levels=REGIONS),
        Column(name="woman", type="boolean", protected=True, missing=True),
        Column(name="age", range=(18, 90), protected=True, bands=(30, 60)),
        Column(name="origin", type="category", levels=("a", "b", "c", "d"), protected=True),
    )
)
FEATURES = ("income", "noise", "region")


def drawn(rows: int, seed: int) -> np.ndarray:
    """Region tells most women, income tells age, and nothing tells origin."""
    rng = np.random.default_rng(seed)
    woman = rng.integers(0, 2, rows).astype(np.float64)
    region = np.where(woman == 1, rng.choice(3, rows, p=[0.8, 0.1, 0.1]), rng.choice(3, rows, p=[0.1, 0.1, 0.8]))
    income = rng.normal(size=rows)
    age = np.clip(50 + 15 * income + rng.normal(0, 5, rows), 18, 90)
    noise = np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows))
    woman[:20] = np.nan
    return np.column_stack([income, noise, region, woman, age, rng.integers(0, 4, rows)])


@pytest.fixture(scope="module")
def found() -> dict[str, list[Proxy]]:
    return proxies(SCHEMA, FEATURES, drawn(1500, 0), drawn(1500, 1), 0)


def test_of_two_groups_one_stands_for_both(found: dict[str, list[Proxy]]) -> None:
    (woman,) = found["woman"]
    assert (woman.group, woman.rows) == ("yes", 1480)
    assert woman.strongest == "region"
    assert woman.alone["region"].is_above(0.8)
    assert woman.together.is_above(0.8)
    assert not woman.alone["noise"].is_above(0.55)


def test_bands_of_a_number_are_told_also_in_the_middle(found: dict[str, list[Proxy]]) -> None:
    assert [each.group for each in found["age"]] == ["below 30", "30 to below 60", "60 and over"]
    for each in found["age"]:
        assert each.strongest == "income"
        assert each.together.is_above(0.8)  # although approval may only rise with income


def test_what_nothing_tells_is_as_chance(found: dict[str, list[Proxy]]) -> None:
    assert [each.group for each in found["origin"]] == ["a", "b", "c", "d"]
    for each in found["origin"]:
        assert not each.together.is_above(0.55)


def test_a_protected_column_that_was_trained_on_is_no_subject(found: dict[str, list[Proxy]]) -> None:
    assert set(found) == {"woman", "age", "origin"}
    assert set(proxies(SCHEMA, (*FEATURES, "age"), drawn(300, 0), drawn(300, 1), 0)) == {"woman", "origin"}


def test_too_few_rows_tell_nothing() -> None:
    assert proxies(SCHEMA, FEATURES, drawn(1000, 0), drawn(40, 1), 0) == {"woman": [], "age": [], "origin": []}


def test_many_rows_and_groups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", 300)
    monkeypatch.setattr(module, "MOST_GROUPS", 2)
    found = proxies(SCHEMA, FEATURES, drawn(2000, 0), drawn(2000, 1), 0)
    assert len(found["age"]) == len(found["origin"]) == 2
    assert {each.rows for each in found["age"]} == {300}


def test_age_shows_through_income_in_the_synthetic_data() -> None:
    train, holdout = (generate(4000, seed)[list(LOAN.schema.names)].to_numpy(np.float64) for seed in (0, 1))
    found = {each.group: each for each in proxies(LOAN.schema, LOAN.schema.features(), train, holdout, 0)["Age"]}
    assert found["below 25"].strongest == "Annual_Income"
    assert found["below 25"].together.is_above(0.6)
    assert not found["below 25"].alone["Loan_Duration_Years"].is_above(0.55)
