"""Cells of one column, in all spellings, as the numbers that a model takes."""

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular_model.data import Batch, Parser, Place, target
from tabular_model.errors import DataError
from tabular_model.schema import Column, Target

NUMBER = Column(name="x", missing=True, range=(0, 100_000))
NAN = float("nan")


def batch(values: Any, delimiter: str = ",", **others: Any) -> Batch:
    rows = {"x": values if isinstance(values, pa.Array) else pa.array(values)} | others
    return Batch(pa.RecordBatch.from_pydict(rows), Place("f", 0, delimiter=delimiter))


def parsed(column: Column, values: Any, delimiter: str = ",") -> list[float]:
    return Parser([column]).matrix(batch(values, delimiter))[:, 0].tolist()


@pytest.mark.parametrize("mark", ["", "NA", "n/a", "#N/A", "NaN", "NULL", "None", "-", "?", ".", " - ", "\u00a0", None])
def test_marks_of_missing_values(mark: str | None) -> None:
    for column in (
        NUMBER,
        Column(name="x", type="boolean", missing=True),
        Column(name="x", type="category", levels=("1", "0"), missing=True),
    ):
        assert parsed(column, ["1", mark, "0", " 1 "])[1] is not parsed(column, ["1"])[0]
        assert np.isnan(parsed(column, ["1", mark, "0", " 1 "])).tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("cells", "delimiter", "numbers"),
    [
        (["56,989", "1"], ",", [56989, 1]),
        (["56,989", "12.5"], ";", [56989, 12.5]),
        (["56,989", "12,5"], ";", [56.989, 12.5]),
        (["56,989", "1,234,567"], ";", [56989, 1234567]),
        (["1.234,56", "1.234"], ";", [1234.56, 1234]),
        (["1.234", "5"], ";", [1.234, 5]),
        (["1.234.567", "7.000"], ";", [1234567, 7000]),
        (["1,234.5", "7,000"], "\t", [1234.5, 7000]),
        (["0,125", "7"], ",", [0.125, 7]),
        (["1 234,5", "1\u00a0234\u202f567"], ";", [1234.5, 1234567]),
        (["1'234.5", "7"], ",", [1234.5, 7]),
        (["+5", "-1e3", " 7\u00a0"], ",", [5, -1000, 7]),
        (["156,989", "120,000"], ";", [156.989, 120]),  # as thousands they would lie out of the range
    ],
)
def test_numerals(cells: list[str], delimiter: str, numbers: list[float]) -> None:
    assert parsed(NUMBER, cells, delimiter) == numbers


def test_a_column_follows_the_others_of_its_file() -> None:
    columns = [NUMBER, Column(name="y")]
    rows = batch(["56,989"], ";", y=pa.array(["7,5"]))
    assert Parser(columns).matrix(rows).tolist() == [[56.989, 7.5]]
    rows = batch(["56,989"], ";", y=pa.array(["7.5"]))
    assert Parser(columns).matrix(rows).tolist() == [[56989, 7.5]]
    rows = batch(["56.989"], ";", y=pa.array(["7,5"]))
    assert Parser(columns).matrix(rows).tolist() == [[56989, 7.5]]
    rows = batch(["56.989"], ";", y=pa.array(["7.5"]))
    assert Parser(columns).matrix(rows).tolist() == [[56.989, 7.5]]


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        (
            ["5", "56,989"],
            "row 2, column x: '56,989' is ambiguous: it can be read with a decimal comma or with a thousands",
        ),
        (["5,5", "5.5"], "row 2, column x: 5.5 is not a number with a decimal comma"),
        (["5.5", "5,5"], "row 2, column x: '5,5' is not a number with a decimal point"),
        (["5.5", "1,2,3"], "row 2, column x: '1,2,3' is not a number"),
    ],
)
def test_what_is_unsure_is_refused(cells: list[str], what: str) -> None:
    with pytest.raises(DataError, match=what.replace("(", r"\(")):
        parsed(Column(name="x", range=(0, 100_000_000)), cells, ";")


def test_what_was_decided_holds_to_the_end_of_the_file() -> None:
    parser = Parser([NUMBER])
    assert parser.matrix(batch(["56,989"]))[0, 0] == 56989
    with pytest.raises(DataError, match="is not a number with a decimal point"):
        parser.matrix(batch(["56,9"]))
    parser = Parser([NUMBER])
    assert parser.matrix(batch(["5,5"], ";"))[0, 0] == 5.5
    assert parser.matrix(batch(["1.234"], ";"))[0, 0] == 1234
    other = batch(["1.234"], ";")
    assert parser.matrix(other._replace(place=other.place._replace(file="g")))[0, 0] == 1.234


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_any_float_is_read_exactly(values: list[float]) -> None:
    assert parsed(NUMBER, [repr(value) for value in values]) == values


@given(st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1), st.sampled_from(["", ".", "\u00a0", "'"]))
def test_any_decimal_comma_is_read_exactly(values: list[Any], separator: str) -> None:
    cells = [f"{value:,.2f}".replace(",", "_").replace(".", ",").replace("_", separator) for value in values]
    assert parsed(NUMBER, cells, ";") == [float(value) for value in values]


def test_booleans() -> None:
    column = Column(name="x", type="boolean", missing=True)
    written = ["TRUE", "t", "Yes", "Y", "1", "1.0", "false", "F", "no", "n", "0", "0.0"]
    assert parsed(column, written) == [1] * 6 + [0] * 6
    for typed in ([True, False, None], [1, 0, None], [1.0, 0.0, NAN]):
        np.testing.assert_array_equal(parsed(column, pa.array(typed)), [1, 0, NAN])


def test_categories() -> None:
    column = Column(name="x", type="category", levels=("a b", "1", "-", "2.5"), missing=True, unknown="missing")
    np.testing.assert_array_equal(
        parsed(column, ["a b", " a b\u00a0", "1", "1.0", "-", "NA", "A B", "2.5"]), [0, 0, 1, 1, 2, NAN, NAN, 3]
    )
    for typed in (pa.array([1.0, 2.5, NAN]), pa.array(["1", "2.5", None]).dictionary_encode()):
        np.testing.assert_array_equal(parsed(column, typed), [1, 3, NAN])
    assert parsed(column, pa.array([1], pa.int8())) == [1]
    with pytest.raises(DataError, match=r"row 1, column x: 'z' is not one of a b\."):
        parsed(Column(name="x", type="category", levels=("a b",), unknown="missing"), ["z"])


def test_types_of_arrow() -> None:
    for kind in (pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.decimal128(5, 2), pa.large_string()):
        values = pa.array(
            ["5"] if kind == pa.large_string() else [np.float16(5)] if kind == pa.float16() else [5], kind
        )
        assert parsed(NUMBER, values) == [5]
    assert np.isnan(parsed(NUMBER, pa.nulls(1))[0])
    with pytest.raises(DataError, match="row 1, column x: 2020-01-01 is not a number"):
        parsed(NUMBER, pa.array([date(2020, 1, 1)]))


@pytest.mark.parametrize(
    ("approved", "rejected", "cells", "codes"),
    [
        ("1", "0", ["1", "0", "1.0", "true", "N"], [1, 0, 1, 1, 0]),
        ("0", "1", ["1", "0", "yes"], [0, 1, 0]),
        ("Y", "N", ["y", " N ", "1"], [1, 0, 1]),
        ("true", "false", [True, False], [1, 0]),
        ("good", "bad", ["GOOD", "bad"], [1, 0]),
        ("1", "2", [1, 2], [1, 0]),
        ("1", "2", [1.0, 2.0], [1, 0]),
        ("A", "a", ["a", "A"], [0, 1]),
        ("paid", "none", ["none", "paid"], [0, 1]),
    ],
)
def test_targets(approved: str, rejected: str, cells: list[Any], codes: list[int]) -> None:
    assert target(batch(cells), Target(name="x", approved=approved, rejected=rejected)).tolist() == codes


def test_a_target_of_other_values_is_not_guessed_at() -> None:
    with pytest.raises(DataError, match="'true' is neither 2 nor 1"):
        target(batch(["true"]), Target(name="x", approved="1", rejected="2"))
