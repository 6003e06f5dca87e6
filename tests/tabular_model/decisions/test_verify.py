"""What is taken out of the record, changed or moved is found."""

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular_model.decisions import parts
from tabular_model.decisions.records import Records
from tabular_model.decisions.verify import verify
from tests.tabular_model.decisions.decided import DAY, V1, V2, closed, days, decided, recorded, writing, written


@pytest.fixture(params=["folder", "bucket"])
def root(request, tmp_path):
    return str(tmp_path / "records") if request.param == "folder" else request.getfixturevalue("bucket")


def faults(root, protected=None):
    records = recorded(root)
    return [fault for day in records.days() for fault in verify(records, day, protected).faults]


def test_a_record_as_it_was_written_has_no_faults(root):
    writers = [writing(root, name) for name in ("pod-a-1", "pod-b-1")]
    for day in range(3):
        for writer in writers:
            written(writer, decided("a", at=DAY + days(day)), decided("b", "c", of=V2, at=DAY + days(day)))
    closed(writers[0])
    records = recorded(root)
    found = [verify(records, day) for day in records.days()]
    assert [(each.parts, each.rows, each.faults) for each in found] == [(4, 6, [])] * 3
    assert [each.open for each in found] == [[], [], ["pod-b-1"]]
    assert len({each.digest for each in found}) == 3


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two days of one writer, closed, with the parts of two versions each."""
    folder = tmp_path_factory.mktemp("whole") / "records"
    writer = writing(folder)
    for day in range(2):
        for name in "ab":
            written(writer, decided(name, at=DAY + days(day)), decided(name, of=V2, at=DAY + days(day)))
    closed(writer)
    assert faults(folder) == []
    return folder


OBJECTS = 10  # four parts and a closing, of each day


@given(number=st.integers(0, OBJECTS - 1), byte=st.integers(0, 10**6), change=st.integers(1, 255))
def test_any_changed_byte_of_any_object_is_found(whole, tmp_path_factory, number, byte, change):
    """But of the last: nothing was written after it. Its digest is what is kept elsewhere."""
    copy = shutil.copytree(whole, tmp_path_factory.mktemp("copy") / "records")
    before = [each.digest for each in _verified(copy)]
    path = sorted(path for path in copy.rglob("*") if path.is_file())[number]
    content = bytearray(path.read_bytes())
    content[byte % len(content)] ^= change
    path.write_bytes(content)
    after = _verified(copy)
    assert any(each.faults for each in after) or [each.digest for each in after] != before
    if "2026-11-30/_closed" not in str(path):
        assert any(each.faults for each in after)


@pytest.mark.parametrize("name", ["date=2026,11-30", "date=2026-13-30", "x"])
def test_a_predecessor_with_a_name_that_was_changed_is_missing(whole, tmp_path, name):
    copy = shutil.copytree(whole, tmp_path / "records")
    (path,) = (copy / "date=2026-11-30/_closed").iterdir()
    path.write_text(path.read_text().replace('"previous":"date=2026-11-30', f'"previous":"{name}'))
    (fault,) = faults(copy)
    assert f"{name}/version=v2/pod-000008.parquet is missing" in fault


@pytest.mark.parametrize("number", range(OBJECTS))
def test_an_object_that_is_taken_out_is_found(whole, tmp_path, number):
    copy = shutil.copytree(whole, tmp_path / "records")
    path = sorted(path for path in copy.rglob("*") if path.is_file())[number]
    path.unlink()
    if "2026-11-30/_closed" in str(path):  # as if the process had been killed
        assert _verified(copy)[1].open == ["pod"]
    else:
        assert any(path.name in fault for fault in faults(copy))


def test_a_day_that_is_taken_out_between_others_is_found_and_one_that_expired_is_not(tmp_path):
    writer = writing(tmp_path)
    for day in range(3):
        written(writer, decided("a", at=DAY + days(day)))
    closed(writer)
    shutil.copytree(tmp_path, tmp_path / "copy", ignore=lambda *_: ["date=2026-11-30"])
    (fault,) = faults(tmp_path / "copy")
    assert fault.startswith("date=2026-11-30/_closed/pod.json is missing: ")
    shutil.rmtree(tmp_path / "copy/date=2026-11-29")
    assert faults(tmp_path / "copy") == []


def test_a_part_in_the_place_of_another_or_added_is_found(whole, tmp_path):
    copy = shutil.copytree(whole, tmp_path / "records")
    first, second = sorted((copy / "date=2026-11-29/version=v1").iterdir())
    (copy / "date=2026-11-29/version=v1/pod-000009.parquet").write_bytes(second.read_bytes())
    (copy / "date=2026-11-29/version=v1/notes.txt").write_text("x")
    found = " ".join(faults(copy))
    assert "notes.txt is not a part of the record" in found
    assert "pod-000009.parquet was written as" in found
    first.write_bytes(second.read_bytes())
    assert any("pod-000001.parquet was written as" in fault for fault in faults(copy))


def test_protected_columns_that_were_changed_are_found_by_who_may_read_them(tmp_path):
    writer = writing(tmp_path / "records", protected=tmp_path / "protected")
    written(writer, decided("a"))
    closed(writer)
    beside = Records.open(str(tmp_path / "protected"))
    assert faults(tmp_path / "records", beside) == []
    (path,) = (tmp_path / "protected").rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:-1])
    assert faults(tmp_path / "records") == []
    (fault,) = faults(tmp_path / "records", beside)
    assert fault.endswith("the protected columns, was changed.")


def test_a_clock_that_is_set_back_opens_no_closed_day(tmp_path):
    writer = writing(tmp_path)
    written(writer, decided("a", at=DAY + days(1)))
    written(writer, decided("b", at=DAY))
    closed(writer)
    assert faults(tmp_path) == []
    assert recorded(tmp_path).days() == [(DAY + days(1)).date()]
    times = [table["time"].to_pylist() for table in recorded(tmp_path).tables(["time"])]
    assert times == [[DAY + days(1)], [DAY]]


def _verified(root):
    records = recorded(root)
    return [verify(records, day) for day in records.days()]


def test_the_manifests_digest_and_laws_stand_in_each_part(tmp_path):
    written(writing(tmp_path), decided("a", of=V1))
    records = recorded(tmp_path)
    (place,) = records.parts(DAY.date())
    link = parts.decode_link(records.read(place.name), place.name)
    assert (link.name, link.rows, link.manifest, link.law) == (place.name, 1, V1.digest, ())
