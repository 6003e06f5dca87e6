"""What is counted part by part is what is counted at once."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabular_model.monitoring.tally import Counter
from tabular_model.reference import Reference
from tabular_model.schema import Schema
from tabular_model.totals import added
from tests import second_model
from tests.tabular_model.monitoring.windows import applications
from tests.tabular_model.versions import manifest

MATRIX, _ = applications(300, 7)
PROBABILITY = np.random.default_rng(0).random(len(MATRIX))
DECISION = (PROBABILITY > 0.5).astype(np.int64)


def counter_of(manifest, matrix, probability):
    return Counter(manifest, Reference.of(Schema(manifest.schema), matrix, probability, 0.5))


@pytest.fixture(scope="module")
def counter():
    return counter_of(manifest("v1", {}), MATRIX, PROBABILITY)


def same(one, other):
    return one.rows == other.rows and all(
        np.allclose(getattr(one, name), getattr(other, name)) for name in ("approved", "columns", "bins", "groups")
    )


@given(st.lists(st.integers(0, len(MATRIX)), max_size=4).map(sorted))
@settings(max_examples=15)
def test_parts_add_up_to_the_whole(counter, cuts):
    parts = [
        counter.count(matrix, probability, decision)
        for matrix, probability, decision in zip(
            *(np.split(each, cuts) for each in (MATRIX, PROBABILITY, DECISION)), strict=True
        )
    ]
    assert same(added(parts), counter.count(MATRIX, PROBABILITY, DECISION))


def test_the_training_rows_have_the_counts_of_the_reference(counter):
    tally = counter.count(MATRIX, PROBABILITY, DECISION)
    for counts, distribution in zip(counter.by_bin(tally), counter.distributions, strict=True):
        assert counts.tolist() == list(distribution.counts)
    assert counter.share(tally, 0, 1).share == pytest.approx(counter.reference.columns["Age"].missing)
    assert tally.groups[:, 0].sum() == len(MATRIX)
    assert tally.groups[:, 1].sum() == tally.approved
    assert tally.groups[:, 2].sum() == pytest.approx(PROBABILITY.sum())


def test_what_is_missing_or_out_of_range_is_counted_by_column(counter):
    matrix = MATRIX[:10].copy()
    matrix[:3, 2], matrix[3:5, 2] = np.nan, 900
    tally = counter.count(matrix, PROBABILITY[:10], DECISION[:10], refused=4)
    assert tally.columns[2].tolist() == [10, 3, 2]
    assert tally.refused == 4


def test_a_column_that_was_not_recorded_is_not_missing(counter):
    matrix = MATRIX.copy()
    matrix[:, 0] = np.nan
    tally = counter.count(matrix, PROBABILITY, DECISION, absent=("Age",))
    assert tally.columns[0].tolist() == [0, 0, 0]
    assert not tally.groups.any()


def test_groups_are_those_declared_else_the_quartiles_or_the_levels():
    bands = counter_of(manifest("v1", {}), MATRIX, PROBABILITY).groups
    assert bands[0] == ("Age", "below 25")
    assert bands[-2:] == [("Age", "62 and over"), ("Age", "missing")]
    age = msgspec.structs.replace(manifest("v1", {}).schema[0], bands=())
    undeclared = msgspec.structs.replace(manifest("v1", {}), schema=(age, *manifest("v1", {}).schema[1:]))
    assert len(counter_of(undeclared, MATRIX, PROBABILITY).groups) == 5
    words = msgspec.structs.replace(
        manifest("v1", {}), schema=(second_model.GENDER, *manifest("v1", {}).schema[1:]), protected=("gender",)
    )
    coded = MATRIX.copy()
    coded[:, 0] = np.arange(len(MATRIX)) % 2
    assert counter_of(words, coded, PROBABILITY).groups == [
        ("gender", "female"),
        ("gender", "male"),
        ("gender", "missing"),
    ]
