"""What is written as Parquet is read by PyArrow as it was."""

import io
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from tabular_model.decisions import parquet, thrift
from tabular_model.decisions.parquet import Field, Values, flags, numbers, texts

FIELDS = (
    Field("name", required=True),
    Field("note"),
    Field("small", "small", required=True),
    Field("count", "integer"),
    Field("share", "number"),
    Field("at", "time", required=True),
    Field("codes", is_list=True),
    Field("inner", of=(Field("flag", "boolean"), Field("value", "number"))),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
ROWS = st.fixed_dictionaries(
    {
        "name": TEXT,
        "note": st.none() | TEXT,
        "small": st.integers(-(2**31), 2**31 - 1),
        "count": st.none() | st.integers(-(2**63), 2**63 - 1),
        "share": st.none() | st.floats(allow_nan=False),
        "at": TIMES,
        "codes": st.none() | st.lists(TEXT, max_size=3),
        "inner": st.none()
        | st.fixed_dictionaries({"flag": st.none() | st.booleans(), "value": st.none() | st.floats(allow_nan=False)}),
    }
)


def optional(values, plain):
    return Values(plain([each for each in values if each is not None]), levels([each is not None for each in values]))


def levels(values):
    return np.array(values, np.int8)


def encoded(values):
    return texts([each.encode() for each in values])


def of(kind):
    return lambda values: numbers(np.array(values, kind))


def chunk(rows):
    column = {name: [row[name] for row in rows] for name in rows[0]}
    codes, inner = column["codes"], column["inner"]
    listed = [code for each in codes for code in each or ()]
    depth = [each for one in codes for each in ([2] * len(one) if one else [0 if one is None else 1])]
    starts = [each for one in codes for each in [0, *[1] * (len(one or ()) - 1)]]
    inside = {name: [None if each is None else each[name] for each in inner] for name in ("flag", "value")}

    def nested(name, plain):
        there = [0 if each is None else 1 if each[name] is None else 2 for each in inner]
        return Values(plain([each for each in inside[name] if each is not None]), levels(there))

    return [
        Values(encoded(column["name"])),
        optional(column["note"], encoded),
        Values(of(np.int32)(column["small"])),
        optional(column["count"], of(np.int64)),
        optional(column["share"], of(np.float64)),
        Values(
            numbers(np.array([pa.scalar(each, pa.timestamp("us", "UTC")).value for each in column["at"]], np.int64))
        ),
        Values(encoded(listed), levels(depth), levels(starts)),
        nested("flag", lambda values: flags(np.array(values, np.bool_))),
        nested("value", of(np.float64)),
    ]


@given(st.lists(st.lists(ROWS, min_size=1, max_size=20), min_size=1, max_size=3))
def test_chunks_of_rows_are_read_as_they_were(chunks):
    rows = [row for each in chunks for row in each]
    content = parquet.encode(FIELDS, [chunk(each) for each in chunks], len(rows), {"key": b"value"})
    table = pq.read_table(io.BytesIO(content))
    assert table.to_pylist() == rows
    assert table.schema.metadata == {b"key": b"value"}
    assert table.schema.field("at").type == pa.timestamp("us", "UTC")


def test_many_rows_and_columns_are_one_file():
    count, columns = 100_003, tuple(Field(f"c{number}", "number") for number in range(40))
    random = np.random.default_rng(0)
    there = random.random((40, count)) < 0.9
    values = random.random((40, count))
    chunks = [[Values(numbers(each[known]), known.astype(np.int8)) for each, known in zip(values, there, strict=True)]]
    table = pq.read_table(io.BytesIO(parquet.encode(columns, chunks, count)))
    back = np.array([column.to_numpy() for column in table.columns])
    np.testing.assert_array_equal(back, np.where(there, values, np.nan))


@given(st.integers(0, 2**64))
def test_a_number_of_seven_bits_a_byte_is_the_number(number):
    content = thrift.varint(number)
    assert sum((byte & 127) << (7 * place) for place, byte in enumerate(content)) == number
    assert [byte >> 7 for byte in content] == [1] * (len(content) - 1) + [0]
