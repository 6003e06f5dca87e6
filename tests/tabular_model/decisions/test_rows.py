"""A decision is read back as it was made, to the last bit."""

import io
from datetime import UTC, datetime

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tabular_model.decisions import parts
from tabular_model.decisions.applications import matrix_of
from tabular_model.decisions.links import KEY, Link
from tabular_model.decisions.made import APPLICATION, Decided, Refused
from tabular_model.decisions.rows import Rows
from tabular_model.decisions.writer import encode
from tabular_model.errors import RecordError
from tabular_model.model import Scores
from tests import second_model
from tests.tabular_model.decisions.decided import V1, decided, refused
from tests.tabular_model.versions import manifest

CARDS = msgspec.structs.replace(
    manifest("v3", {}),
    schema=second_model.columns(),
    protected=("gender",),
    features=(),
)
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def values(column):
    if column.type == "number":
        return st.floats(width=64, allow_infinity=False)
    top = len(column.levels) - 1 if column.type == "category" else 1 if column.type == "boolean" else 2**53
    return st.one_of(st.just(np.nan), st.integers(0, top).map(float))


matrices = st.lists(st.tuples(*map(values, CARDS.schema)), min_size=1, max_size=5).map(np.array)


def tables(made, writer="pod", first=0):
    """The rows as PyArrow reads them from Parquet, and the protected columns beside them."""
    rows = Rows(made, writer, first)
    return [pq.read_table(io.BytesIO(encode([batch]))) for batch in (rows.whole, rows.protected)]


@given(matrices, st.data())
@settings(max_examples=30)
def test_a_matrix_comes_back_from_parquet_with_the_same_bits(matrix, data):
    probability = data.draw(arrays(np.float64, len(matrix), elements=st.floats(0, 1)))
    scores = Scores(probability, (probability > 0.5).astype(np.int64))
    whole, beside = tables([Decided(CARDS, NOW, "", None, matrix, scores)])
    back = matrix_of(CARDS, [table[APPLICATION].combine_chunks() for table in (whole, beside)])
    matrix[np.isnan(matrix)] = np.nan  # of which there is one in Parquet
    assert back.tobytes() == matrix.tobytes()
    assert whole["probability"].to_numpy().tobytes() == probability.tobytes()
    assert whole["decision"].to_pylist() == scores.decision.tolist()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_part_or_refused_with_a_sentence(content):
    with pytest.raises(RecordError, match="x is not a part of the record"):
        parts.decode(content, "x")


LAWS = st.sampled_from([(), ("eu",)])


@given(st.builds(Link, name=st.text(), rows=st.integers(0, 2**62), previous=st.text(), law=LAWS))
@settings(max_examples=15)
def test_a_link_is_read_back_as_it_was_written(link):
    rows = Rows([decided("a")], "pod", 0)
    content = encode([rows.whole], {KEY: msgspec.json.encode(link).decode()})
    assert parts.decode_link(content, "x") == link


def test_protected_columns_are_in_the_file_beside_alone():
    batch, beside = tables([decided("a"), decided("b")], "pod", 7)
    assert [field.name for field in batch.schema.field(APPLICATION).type] == [
        c.name for c in V1.schema if not c.protected
    ]
    assert [field.name for field in beside.schema.field(APPLICATION).type] == ["Age"]
    assert beside.to_pylist()[1] == {"record": "pod-8", "id": "b", "application": {"Age": 41.0}}


def test_an_id_that_was_sent_is_kept_and_every_row_has_one_of_its_own():
    made = [decided("a", "", reasons=[["X", ""], ["Y", "Z"]]), decided("a")._replace(request_id="r", ids=None)]
    batch, _ = tables(made)
    assert batch.select(["record", "id", "request_id", "row", "reason_codes"]).to_pylist() == [
        {"record": "pod-0", "id": "a", "request_id": None, "row": 0, "reason_codes": ["X"]},
        {"record": "pod-1", "id": None, "request_id": None, "row": 1, "reason_codes": ["Y", "Z"]},
        {"record": "pod-2", "id": None, "request_id": "r", "row": 0, "reason_codes": None},
    ]


def test_a_refused_request_is_a_row_without_decision_or_the_value_of_a_protected_column():
    batch, beside = tables([refused("Input 'Age', row 0: 17 is out of range."), decided("a"), refused("No.")])
    found = batch.select(["status", "refused", "application", "decision"]).to_pylist()
    assert [each["status"] for each in found] == [400, 200, 400]
    assert [each["refused"] for each in found] == [
        "The sentence names a protected column, and is not recorded.",
        None,
        "No.",
    ]
    assert [each["decision"] for each in found] == [None, 1, None]
    assert found[0]["application"] is None
    assert beside.column("application").to_pylist() == [None, {"Age": 41.0}, None]


def test_a_version_whose_columns_are_all_protected_has_no_application_beside_them():
    age = tuple(column for column in V1.schema if column.protected)
    only = msgspec.structs.replace(V1, schema=age)
    made = Decided(only, NOW, "", None, np.array([[41.0]]), Scores(np.array([0.5]), np.array([1])))
    batch, beside = tables([made, Refused(only, NOW, "", 400, "No.")])
    assert APPLICATION not in batch.schema.names
    assert beside.column(APPLICATION).to_pylist() == [{"Age": 41.0}, None]


def test_the_columns_are_of_the_documented_types_and_only_those_are_required_that_every_row_has():
    text, small = pa.string(), pa.int32()
    of = [(column.name, pa.bool_() if column.type == "boolean" else pa.float64()) for column in V1.schema]
    codes = pa.list_(pa.field("element", text, nullable=False))
    batch, _ = tables([decided("a")])
    assert batch.schema == pa.schema(
        [
            pa.field("record", text, nullable=False),
            ("id", text),
            ("request_id", text),
            pa.field("row", small, nullable=False),
            pa.field("time", pa.timestamp("us", "UTC"), nullable=False),
            ("traceparent", text),
            pa.field("model", text, nullable=False),
            pa.field("version", text, nullable=False),
            (APPLICATION, pa.struct([each for each in of if each[0] != "Age"])),
            ("probability", pa.float64()),
            ("decision", pa.int64()),
            ("reason_codes", codes),
            pa.field("status", small, nullable=False),
            ("refused", text),
        ]
    )
    assert batch["time"].to_pylist() == [NOW.replace(hour=0)]


def test_an_id_that_is_no_text_is_recorded_with_question_marks():
    batch, _ = tables([decided("a\ud800", "ü")])
    assert batch["id"].to_pylist() == ["a?", "ü"]


def test_many_batches_are_one_file_in_their_order():
    batches = [Rows([decided(*["a"] * 1_001)], "pod", 1_001 * number).whole for number in range(12)]
    file = pq.ParquetFile(io.BytesIO(encode(batches)))
    assert file.read()["record"].to_pylist() == [f"pod-{number}" for number in range(12_012)]
    assert file.num_row_groups == 3
