"""Where a version takes every request of another, the server proves it."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_server.signature import Signature
from model_server.tensors import Tensor
from tabular_model.compatibility import Holds, differences, recoded
from tabular_model.schema import Column, Schema

INCOME = Column(name="income", range=(0, 100), missing=True)
JOB = Column(name="job", type="category", levels=("clerk", "cook", "pilot"), missing=True)
MONTHS = Column(name="months", type="integer", range=(1, 60))
OLD = Schema((INCOME, JOB, MONTHS))


def changed(column: Column, **to: Any) -> Schema:
    """`OLD` with one column changed."""
    return Schema(tuple(msgspec.structs.replace(c, **to) if c.name == column.name else c for c in OLD.columns))


@pytest.mark.parametrize(
    ("new", "said", "holds"),
    [
        (changed(INCOME, range=(0, 200)), "", None),
        (changed(INCOME, direction="up", unit="EUR"), "", None),
        (changed(JOB, levels=("pilot", "clerk", "cook", "baker")), "", None),
        (changed(JOB, levels=("clerk", "cook"), unknown="missing"), "", None),
        (changed(MONTHS, type="number"), "", None),
        (changed(INCOME, range=(10, 100)), "has the expected range 10 to 100 instead of 0 to 100", Holds.NEVER),
        (changed(INCOME, missing=False), "can no longer be missing", Holds.NEVER),
        (changed(JOB, levels=("clerk", "cook")), "no longer accepts pilot", Holds.NEVER),
        (changed(MONTHS, type="boolean", range=None), "has the type boolean instead of integer", Holds.NEVER),
        (Schema(OLD.columns[:2]), "is no longer an input", Holds.IGNORING),
        (
            Schema((*OLD.columns, msgspec.structs.replace(INCOME, name="new"))),
            "is new and required",
            Holds.IGNORING,
        ),
        (
            Schema((*OLD.columns, msgspec.structs.replace(INCOME, name="new", optional=True))),
            "is new and optional",
            Holds.ALWAYS,
        ),
    ],
)
def test_each_difference_is_said_with_those_for_whom_it_holds(new: Schema, said: str, holds: Holds | None) -> None:
    found = differences(OLD, new)
    assert [(each.what, each.holds) for each in found] == ([(said, holds)] if holds else [])


columns = st.one_of(
    st.builds(
        Column,
        name=st.sampled_from("abc"),
        type=st.sampled_from(["number", "integer"]),
        range=st.tuples(st.integers(0, 2), st.integers(8, 10)),
        missing=st.booleans(),
    ),
    st.builds(
        Column,
        name=st.sampled_from("abc"),
        type=st.just("category"),
        levels=st.permutations(["x", "y", "z", "w"]).flatmap(lambda p: st.sampled_from([tuple(p[:2]), tuple(p)])),
        missing=st.booleans(),
    ),
)
schemas = st.lists(columns, min_size=1, max_size=3, unique_by=lambda column: column.name).map(
    lambda found: Schema(tuple(found))
)


@given(old=schemas, new=schemas, data=st.data())
def test_a_request_of_the_old_version_is_accepted_where_all_differences_hold(
    old: Schema, new: Schema, data: st.DataObject
) -> None:
    if any(each.holds is not Holds.ALWAYS for each in differences(old, new)):
        return
    tensors = [tensor(column, data) for column in old.columns]
    signature = Signature(new.columns, 10, refuse_out_of_range=True)
    signature.check(signature.matrix(tensors))


def tensor(column: Column, data: st.DataObject) -> Tensor:
    """One value that the column accepts."""
    if column.type == "category":
        value: Any = st.sampled_from(column.levels)
    else:
        value = st.integers(int(column.minimum), int(column.maximum)).map(float)
    drawn = data.draw(value | st.none() if column.missing else value)
    return Tensor(column.name, "BYTES" if column.type == "category" else "FP64", [1], [drawn])


def test_rows_are_recoded_by_name_and_level() -> None:
    other = (changed(JOB, levels=("pilot", "clerk")).columns[1], INCOME)
    rows = np.array([[5.0, 0.0, 1.0], [6.0, 1.0, 2.0], [np.nan, 2.0, 3.0]])
    found = recoded(rows, OLD, other)
    np.testing.assert_array_equal(found, [[1.0, 5.0], [np.nan, 6.0], [0.0, np.nan]])
    assert recoded(rows, OLD, (Column(name="absent", range=(0, 1)),)) is None
    assert recoded(rows, OLD, (msgspec.structs.replace(INCOME, name="job"),)) is None
