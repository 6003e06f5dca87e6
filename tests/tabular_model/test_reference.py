import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_model.synthetic import LOAN, best_probability, generate
from tabular_model.reference import Distribution, Reference

values = st.lists(st.one_of(st.integers(-5, 5).map(float), st.floats(-1e6, 1e6), st.just(np.nan)), min_size=1).filter(
    lambda drawn: not np.isnan(drawn).all()
)


@given(drawn=values)
def test_every_present_value_is_counted_once(drawn: list[float]) -> None:
    data = np.array(drawn)
    found = Distribution.of(data)
    assert sum(found.counts) == np.sum(~np.isnan(data))
    assert found.missing == pytest.approx(np.isnan(data).mean())
    assert found.mean == pytest.approx(np.nanmean(data))
    assert found.count(data).tolist() == list(found.counts)


def test_a_value_beyond_the_edges_falls_in_the_outermost_bin() -> None:
    found = Distribution.of(np.arange(100.0))
    assert found.count(np.array([-1e9, 1e9, np.nan])).tolist() == [1, *[0] * 8, 1]


def test_few_values_get_a_bin_each() -> None:
    found = Distribution.of(np.array([0.0, 1, 1, 0, 1]))
    assert found.edges == (-0.5, 0.5, 1.5)
    assert found.counts == (2, 3)


@pytest.fixture(scope="module")
def reference() -> Reference:
    frame = generate(2000)
    matrix = frame[list(LOAN.schema.names)].to_numpy(np.float64)
    return Reference.of(LOAN.schema, matrix, best_probability(frame), 0.5)


def test_it_survives_its_file(reference: Reference) -> None:
    assert Reference.decode(reference.encode()) == reference


def test_the_baseline_is_a_typical_approved_applicant(reference: Reference) -> None:
    assert set(reference.baseline) == set(LOAN.schema.names)
    assert reference.baseline["Had_Past_Default"] == 0
    assert reference.baseline["Credit_Score"] > reference.columns["Credit_Score"].mean
    for column in LOAN.columns:
        assert column.minimum <= reference.baseline[column.name] <= column.maximum


def test_where_none_is_approved_the_baseline_is_of_all_rows() -> None:
    matrix = generate(200)[list(LOAN.schema.names)].to_numpy(np.float64)
    found = Reference.of(LOAN.schema, matrix, np.zeros(200), 0.5)
    assert found.baseline["Credit_Score"] == np.nanquantile(matrix[:, 2], 0.5, method="nearest")
