"""Outcomes meet their decisions by id, however late and however often they come."""

import itertools

import pytest

from tabular_model.data import open_rows
from tabular_model.decisions.outcomes import join
from tabular_model.errors import DataError
from tests.tabular_model.decisions.decided import DAY, days, decided, recorded, refused, writing, written

LINES = [
    "once,paid,2027-01-01",
    "repeated,paid,2027-01-01",
    "repeated,paid,2027-02-01T10:00:00",
    "changed,paid,2027-01-01",
    "changed,default,2027-03-01",
    "torn,paid,2027-01-01",
    "torn,default,2027-01-01",
    "unknown,paid,2027-01-01",
    "early,paid,2026-11-01",
    "twice,default,2027-01-01",
    "once,,2027-01-01",
    ",paid,2027-01-01",
]


@pytest.fixture
def records(tmp_path):
    writer = writing(tmp_path / "records")
    names = ("once", "repeated", "changed", "torn", "early", "twice", "without")
    written(writer, decided(*names), refused("No."))
    written(writer, decided("twice", at=DAY + days(2), probability=0.75))
    return recorded(tmp_path / "records")


def joined(records, tmp_path, lines, **window):
    path = tmp_path / "outcomes.csv"
    path.write_text("\n".join(["id,outcome,date", *lines]) + "\n")
    with open_rows(str(path)) as rows:
        table, counts = join(rows, records, **window)
    return sorted(table.select(["id", "outcome", "probability"]).to_pylist(), key=lambda row: row["id"]), counts


def test_each_outcome_is_joined_once_and_what_is_odd_is_counted(records, tmp_path):
    rows, counts = joined(records, tmp_path, LINES)
    assert rows == [
        {"id": "changed", "outcome": "default", "probability": 0.5},
        {"id": "once", "outcome": "paid", "probability": 0.5},
        {"id": "repeated", "outcome": "paid", "probability": 0.5},
        {"id": "twice", "outcome": "default", "probability": 0.75},
    ]
    assert (counts.outcomes, counts.incomplete, counts.repeated) == (12, 2, 1)
    assert (counts.conflicting, counts.undecidable) == (2, 1)
    assert (counts.unknown, counts.early, counts.superseded, counts.joined) == (1, 1, 1, 4)


def test_the_order_in_which_outcomes_come_does_not_matter(records, tmp_path):
    first = joined(records, tmp_path, LINES)
    for lines in itertools.islice(itertools.permutations(LINES), 0, 100_000, 25_000):
        assert joined(records, tmp_path, lines) == first


def test_decisions_outside_of_the_window_are_left_out(records, tmp_path):
    rows, counts = joined(records, tmp_path, LINES, since=(DAY + days(1)).date())
    assert [row["id"] for row in rows] == ["twice"]
    assert counts.superseded == 0


def test_no_outcomes_and_no_decisions_are_no_error(records, tmp_path):
    assert joined(records, tmp_path, ["other,paid,2027-01-01"])[1].unknown == 1
    assert joined(records, tmp_path, ["once,paid,2027-01-01"], until=(DAY - days(1)).date())[0] == []


@pytest.mark.parametrize(
    ("head", "line", "sentence"),
    [
        (
            "id,outcome,date",
            "once,paid,01.02.2027",
            "row 1 .*, column date: '01.02.2027' is not a date such as",
        ),
        ("id,result,date", "once,paid,2027-01-01", "outcome"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_a_sentence(records, tmp_path, head, line, sentence):
    (tmp_path / "outcomes.csv").write_text(f"{head}\n{line}\n")
    with open_rows(str(tmp_path / "outcomes.csv")) as rows, pytest.raises(DataError, match=sentence):
        join(rows, records)
