"""The record is kept for as many days as are asked for, and under EU law for six months."""

from datetime import UTC, datetime

import pytest

from tabular_model.decisions.retention import SIX_MONTHS, delete, expired
from tabular_model.decisions.verify import verify
from tabular_model.errors import RecordError
from tests.tabular_model.decisions.decided import DAY, EU, V1, closed, days, decided, recorded, writing, written


def a_record(root, of=V1, count=4):
    writer = writing(root)
    for day in range(count):
        written(writer, decided("a", of=of, at=DAY + days(day)))
    closed(writer)
    return recorded(root)


def test_days_that_are_older_are_deleted_and_the_rest_stays_verified(tmp_path):
    records = a_record(tmp_path)
    today = (DAY + days(5)).date()
    old = expired(records, 3, today)
    assert old == [DAY.date(), (DAY + days(1)).date()]
    assert [delete(records, day) for day in old] == [2, 2]
    assert [verify(records, day).faults for day in records.days()] == [[], []]
    assert len(records.days()) == 2
    assert expired(records, 3, today) == []


def test_under_eu_law_nothing_is_deleted_within_six_months(tmp_path):
    records = a_record(tmp_path, EU)
    today = (DAY + days(SIX_MONTHS)).date()
    with pytest.raises(RecordError, match="2026-11-29 has decisions by v1, whose declaration says that EU"):
        expired(records, 30, today)
    assert expired(records, 30, today + days(4)) == [(DAY + days(day)).date() for day in range(4)]
    assert expired(records, SIX_MONTHS, today) == []


def test_no_six_months_are_longer():
    firsts = [datetime(2026 + month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in range(36)]
    assert max((end - begin).days for begin, end in zip(firsts, firsts[6:], strict=False)) == SIX_MONTHS
