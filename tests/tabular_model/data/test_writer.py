"""What was read comes out as it went in, in every format."""

import csv as standard
import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular_model.data import open_rows, read, writing
from tabular_model.errors import DataError
from tests.tabular_model.data.files import FILES, frame

IDS = ["00017", "12345678901234567890", "+4917612345", "01067", "1.50", "1e5", "NA", "", " a ", 'x"y', "a,b", "l\r\nm"]


def copy(source: Path | str, target: Path | str, overwrite: bool = False) -> None:
    with open_rows(str(source)) as rows, writing(str(target), rows.schema, rows, overwrite) as writer:
        for batch in rows:
            writer.write(batch.rows)


@pytest.fixture
def ids(tmp_path: Path) -> Path:
    """A CSV file of ids, beside a column without values."""
    path = tmp_path / "ids.csv"
    with path.open("w", newline="") as file:
        standard.writer(file).writerows([["Id", "Note", "x"], *[[value, "NA", "1"] for value in IDS]])
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.CSV.ZST", "a.jsonl", "a.ndjson.gz", "a.parquet", "a.feather"])
def test_ids_survive_every_format_and_the_way_back(ids: Path, tmp_path: Path, name: str) -> None:
    copy(ids, tmp_path / name)
    copy(tmp_path / name, tmp_path / "back.csv")
    assert (tmp_path / "back.csv").read_bytes() == ids.read_bytes().replace(b"1\r\n", b"1\n").replace(b"x\r\n", b"x\n")


@given(
    values=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1),
    quoting=st.sampled_from([standard.QUOTE_MINIMAL, standard.QUOTE_ALL]),
)
def test_any_text_survives_csv(tmp_path_factory: pytest.TempPathFactory, values: list[str], quoting: Any) -> None:
    written, expected = io.StringIO(), [["Id", "x"], *[[value, "1"] for value in values]]
    standard.writer(written, quoting=quoting).writerows(expected)
    folder = tmp_path_factory.mktemp("csv")
    (folder / "in.csv").write_bytes(written.getvalue().encode())
    copy(folder / "in.csv", folder / "out.csv")
    out = (folder / "out.csv").read_bytes().decode()
    assert list(standard.reader(io.StringIO(out, newline=""))) == expected


def test_a_column_that_turns_from_numbers_to_text_far_down(tmp_path: Path) -> None:
    lines = [f"{number},," for number in range(400_000)] + ["A150000,late,"]
    text = "Id,Note,Empty\n" + "\n".join(lines) + "\n"
    (tmp_path / "in.csv").write_text(text)
    copy(tmp_path / "in.csv", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == text


def test_json_values_keep_their_form(tmp_path: Path) -> None:
    lines = (
        '{"Id":12345678901234567890,"a":1.50,"b":"\\u00e9","c":[1, 2],"d":null}\n'
        '{"Id":1e5,"a":"x","b":true,"c":{},"d":0}\n'
    )
    (tmp_path / "in.jsonl").write_text(lines)
    copy(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == lines
    copy(tmp_path / "in.jsonl", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == (
        'Id,a,b,c,d\n12345678901234567890,1.50,é,"[1, 2]",\n1e5,x,true,{},0\n'
    )


@pytest.mark.parametrize("target", ["out.parquet", "out.feather"])
def test_types_are_kept(tmp_path: Path, target: str) -> None:
    FILES["typed.parquet"](frame(), tmp_path / "in.parquet")
    copy(tmp_path / "in.parquet", tmp_path / target)
    written = read(str(tmp_path / target))
    assert written.to_pylist() == read(str(tmp_path / "in.parquet")).to_pylist()
    assert pa.types.is_decimal(written.schema.field("Income").type)


def test_typed_columns_as_text(tmp_path: Path) -> None:
    rows = pa.table({"n": [17, None], "f": [0.1, 2.0], "b": [True, False], "l": [["a", "b"], []], "t": ["x", None]})
    pa.parquet.write_table(rows, tmp_path / "in.parquet")
    copy(tmp_path / "in.parquet", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "n,f,b,l,t\n17,0.1,true,a|b,x\n,2,false,,\n"
    copy(tmp_path / "in.parquet", tmp_path / "out.jsonl")
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").open()] == rows.to_pylist()


@pytest.mark.parametrize("source", ["in.csv", "in.parquet", "in.feather"])
@pytest.mark.parametrize("target", ["out.csv", "out.csv.gz", "out.jsonl", "out.parquet", "out.feather"])
def test_no_rows_give_the_columns_alone(tmp_path: Path, source: str, target: str) -> None:
    empty = pd.DataFrame({"Id": pd.Series([], dtype=str), "x": pd.Series([], dtype=float)})
    table = pa.Table.from_pandas(empty, preserve_index=False)
    if source == "in.csv":
        (tmp_path / source).write_text("Id,x")
    elif source == "in.parquet":
        pa.parquet.write_table(table, tmp_path / source)
    else:
        pa.feather.write_feather(table, str(tmp_path / source))
    copy(tmp_path / source, tmp_path / target)
    if target == "out.jsonl":
        assert (tmp_path / target).read_bytes() == b""
    else:
        assert read(str(tmp_path / target)).column_names == ["Id", "x"]


def test_standard_input_and_output(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(b"Id;x\n007;1\n"))))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written))
    copy("-", "-")
    assert written.getvalue() == b"Id,x\n007,1\n"


def test_an_output_that_is_there_is_kept(ids: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("mine")
    with pytest.raises(DataError, match="already exists; choose another name, or use --overwrite"):
        copy(ids, target)
    assert target.read_text() == "mine"
    copy(ids, target, overwrite=True)
    assert target.read_text().startswith("Id,Note,x\n")


@pytest.mark.parametrize("link", ["itself", "symbolic", "hard", "unfinished"])
def test_the_input_is_never_written_over(ids: Path, tmp_path: Path, link: str) -> None:
    before, target = ids.read_bytes(), tmp_path / "link.csv"
    if link == "itself":
        target = ids
    elif link == "symbolic":
        target.symlink_to(ids)
    elif link == "hard":
        target.hardlink_to(ids)
    else:
        ids = ids.rename(tmp_path / "link.csv.part")
    with pytest.raises(DataError, match=r"The output .* is the input .*; choose another file"):
        copy(ids, target, overwrite=True)
    assert ids.read_bytes() == before


def test_an_output_among_the_parts_of_the_input_is_refused(ids: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is in the folder of the input"):
        copy(tmp_path, tmp_path / "out.csv")


@pytest.mark.parametrize("target", ["out", "out.xlsx", "out.gz", "out.parquet.gz", "s3://bucket/out.csv"])
def test_other_endings_are_refused(ids: Path, target: str) -> None:
    with pytest.raises(DataError, match=r"The output must be a file that ends in \.csv"):
        copy(ids, target)


def test_nothing_is_left_of_what_failed(ids: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("Id,x\n" + "1,2\n" * 1_200_000 + "1,2,3\n")
    with pytest.raises(DataError, match=r"row 1200001 \(line 1200002 of a text file\): has 3 cells"):
        copy(broken, tmp_path / "out.csv")
    broken.unlink()
    with pytest.raises(DataError, match=r"The output .*out.csv cannot be written: .*No such file"):
        copy(ids, tmp_path / "absent" / "out.csv")
    assert list(tmp_path.iterdir()) == [ids]


def test_what_csv_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table({"a": [{"b": 1}]}), tmp_path / "in.parquet")
    with pytest.raises(
        DataError, match="The column a contains struct<b: int64>, which CSV cannot represent; write Parquet"
    ):
        copy(tmp_path / "in.parquet", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
