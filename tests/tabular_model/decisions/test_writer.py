"""What a store does not take is kept, and written when it does."""

import shutil

import pytest

from tabular_model.errors import RecordError, RegistryError
from tests.tabular_model.decisions.decided import closed, decided, recorded, writing, written


def test_parts_wait_in_order_for_a_store_that_fails(tmp_path):
    root = tmp_path / "records"
    writer = writing(root)
    shutil.rmtree(root)
    root.write_text("a file in its place")
    for name in "ab":
        with pytest.raises(RegistryError, match=r"The record .* cannot be used"):
            written(writer, decided(name))
    assert writer.unwritten == 2
    root.unlink()
    root.mkdir()
    assert list(writer.write()) == [1, 1]
    assert [place.number for place in recorded(root).parts(decided("a").time.date())] == [1, 2]


def test_a_part_whose_writing_was_not_confirmed_is_not_written_twice(tmp_path):
    first, again = writing(tmp_path), writing(tmp_path)
    written(first, decided("a"))
    assert written(again, decided("a")) == 1  # the same bytes
    with pytest.raises(RecordError, match=r"pod-000002\.parquet is already in the record"):
        written(first, decided("b")), written(again, decided("c"))


def test_a_day_without_decisions_is_not_closed(tmp_path):
    writer = writing(tmp_path)
    assert closed(writer) == 0
    assert recorded(tmp_path).days() == []


def test_a_folder_that_is_not_there_is_no_record(tmp_path):
    with pytest.raises(RecordError, match="There is no record at"):
        recorded(tmp_path / "absent")
