"""What cannot be read is one sentence with file, row, line, column and value."""

import gzip
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from tabular_model.data import NoFile, Parser, open_rows, read, require, target
from tabular_model.errors import DataError
from tabular_model.schema import Column, Target
from tests.tabular_model.data.files import COLUMNS, TARGET, arrow, csv, decimal_comma, excel, frame, thousands

MADE = frame()
TEXT = csv(MADE)


def parse(path: Path, columns: Sequence[Column] = COLUMNS, of: Target | None = TARGET) -> None:
    with open_rows(str(path)) as rows:
        require(rows.source, rows.names, [*(column.name for column in columns), *([of.name] if of else [])])
        parser = Parser(columns)
        for batch in rows:
            parser.matrix(batch)
            if of:
                target(batch, of)


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """What is said of a file's content."""

    def read_all(content: str | bytes, name: str = "data.csv") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(DataError) as error:
            parse(path)
        said = str(error.value)
        assert name in said
        assert "\n" not in said
        return said.replace(str(tmp_path) + "/", "")

    return read_all


def with_cell(row: int, column: str, value: Any) -> pd.DataFrame:
    """The data with one cell replaced; rows count from 1."""
    made = MADE.astype(object)
    made.loc[row - 1, column] = value
    return made


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("Age", "old", "'old' is not a number."),
        ("Age", "70,5", "'70,5' is not a number with a decimal point."),
        ("Age", "1e", "'1e' is not a number."),
        ("Income", "-inf", "-inf is not finite."),
        ("Income", "1e999", "1e999 is not finite."),
        ("Years", "2.5", "2.5 is not a whole number."),
        ("Defaulted", "yes", "'yes' is not a number."),
        ("Years", " ", "is missing."),
        ("Years", "#n/a", "is missing."),
        ("Owner", "maybe", "'maybe' is not true or false."),
        ("Owner", "2", "2 is not true or false."),
        ("Purpose", "boat", "'boat' is not one of car, debt paid, other."),
        ("Approved", "2", "2 is neither 0 nor 1."),
        ("Approved", "perhaps", "'perhaps' is neither 0 nor 1."),
        ("Approved", "NA", "is missing."),
    ],
)
def test_a_bad_cell_is_named(refused: Callable[..., str], column: str, value: str, what: str) -> None:
    expected = f"data.csv, row 12 (line 13 of a text file), column {column}: {what}"
    assert refused(csv(with_cell(12, column, value))) == expected


def test_the_row_and_line_are_the_files(refused: Callable[..., str]) -> None:
    lines = csv(with_cell(12, "Age", "old").assign(Id="two\nlines")).splitlines()
    lines[1:1] = ["", ""]
    assert "row 14 (line 26 of a text file), column Age" in refused("\n".join(lines))
    empty = csv(with_cell(12, "Age", "old")).splitlines()
    empty.insert(5, ",,,,,,,,")
    assert "row 13 (line 14 of a text file), column Age" in refused("\n".join(empty))


def test_the_first_of_several_bad_cells_is_named(refused: Callable[..., str]) -> None:
    made = with_cell(12, "Age", "old")
    made.loc[4, "Years"] = ""
    assert "row 5 (line 6 of a text file), column Years: is missing" in refused(csv(made))


def test_a_bad_cell_far_down_is_named(refused: Callable[..., str]) -> None:
    rows = TEXT.splitlines(keepends=True)
    text = rows[0] + "".join(rows[1:]) * 3000 + csv(with_cell(1, "Age", "old")).splitlines()[1]
    assert "row 180001 (line 180002 of a text file), column Age: 'old' is not a number" in refused(text)


def test_a_bad_cell_of_a_typed_file_is_named_by_its_row(refused: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "typed"
    pa.parquet.write_table(pa.Table.from_pandas(with_cell(7, "Age", "old").astype(str)), path)
    assert refused(path.read_bytes(), "data.parquet") == "data.parquet, row 7, column Age: 'old' is not a number."
    excel(with_cell(7, "Age", "old"), path)
    assert refused(path.read_bytes(), "data.xlsx") == "data.xlsx, row 7, column Age: 'old' is not a number."
    lines = with_cell(7, "Age", "old").to_json(orient="records", lines=True)
    assert "row 7 (line 7 of a text file), column Age: 'old'" in refused(lines, "data.jsonl")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "is empty; it needs a line of column names, followed by rows."),
        (" \n\n", "is empty; it needs a line of column names, followed by rows."),
        (b"\xff\xfe\x00", "is not a table: it begins as UTF-16 but does not continue as UTF-16."),
        (b"PAR1 but no more", "cannot be read as Parquet"),
        (b"ARROW1 but no more", "cannot be read as Arrow"),
        (b"PK\x03\x04\xff", "cannot be read as Excel"),
        (b"\x01\x02\x03,\x04", "is not a table: it begins with bytes that are not text."),
        (gzip.compress(TEXT.encode())[:-20], "cannot be read"),
        ("[{}]", "is one JSON array; write one object per line, without the brackets."),
        ('{"Age": 1}\n{"Age"', "line 2: is not a JSON object"),
        ("Loan export 2024\n" + TEXT, "line 1: 'Loan export 2024' cannot be the line of column names"),
        ("Loan export, 2024\n" + TEXT, "line 1: 'Loan export, 2024' cannot be the line of column names"),
        (csv(decimal_comma(MADE.dropna())).replace('"', ""), "put cells with a ',' in quotation marks."),
        ((TEXT + TEXT[TEXT.index("\n") + 1 :] * 60).encode("utf-16") + b"\x00\xd8", "cannot be read as CSV"),
        ('{"a": 1}\n'.encode("utf-16") + b"\x00\xd8", "line 1: is not a JSON object"),
        (TEXT + "1,2,3\n", "row 61 (line 62 of a text file): has 3 cells, fewer than the 9 column names."),
        (TEXT + "1,2,3,4,5,6,7,8,9,10\n", "row 61 (line 62 of a text file): has 10 cells, more than the 9"),
        (TEXT.replace("Id", "Age", 1), "has the column Age more than once; column names must be unique."),
        (TEXT.lower(), "has no column Age, Income, Score"),
        (TEXT.lower(), "'age', but the model's is 'Age'"),
        (TEXT.replace("Age", " Age ", 1), "has no column Age; it has ' Age ', but the model's is 'Age'."),
        (TEXT.replace("Age", "Alter", 1), "has no column Age; its columns are Id, Alter, Income"),
        (TEXT.replace("\n", ",\n", 30) + TEXT[TEXT.index("\n") + 1 :], "has 9 cells, fewer than the 10 column names."),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "bytes",
)
def test_a_broken_file_is_refused_in_one_sentence(refused: Callable[..., str], content: Any, what: str) -> None:
    assert what in refused(content)


def test_a_value_below_no_column_name_is_refused(refused: Callable[..., str]) -> None:
    text = TEXT.replace("\n", ",\n")
    assert "row 60 (line 61 of a text file): has a value in the last cell" in refused(text[:-1] + "x\n")


@pytest.mark.parametrize("path", ["absent.csv", "folder"])
def test_nothing_there(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(NoFile, match=r"No data file was found in|The data file .* was not found"):
        read(str(tmp_path / path))


def test_parts_of_other_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,z\n1,2\n")
    with pytest.raises(DataError, match=r"b.csv and .*a.csv are not parts of one data set: only one of them has y, z"):
        read(str(tmp_path))


def test_what_is_not_utf8_is_read_and_said(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes("name,x\nJürgen €,1\n".encode("cp1252"))
    with open_rows(str(path)) as rows:
        assert [batch.rows.column("name").to_pylist() for batch in rows] == [["Jürgen €"]]
        assert rows.notes == [f"{path} is not UTF-8; it was read as Windows-1252 (Latin-1)."]


def test_decimals_are_written_one_way_in_a_column_and_may_differ_between_columns(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(csv(decimal_comma(MADE).assign(Score="12.5"), sep=";"))
    parse(path)
    path.write_text(csv(decimal_comma(MADE).assign(Age=["17,5", "17.5"] * 30), sep=";"))
    with pytest.raises(DataError, match=r"row 2 \(line 3 of a text file\), column Age: 17.5 is not a number"):
        parse(path)


def test_a_comma_between_digits_is_not_taken_for_the_delimiter(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(csv(thousands(MADE)[["Income", "Years"]], sep=";"))
    with open_rows(str(path)) as rows:
        assert rows.names == ("Income", "Years")
        assert Parser(COLUMNS[1:2]).matrix(next(iter(rows)))[:, 0].tolist() == MADE["Income"].round().tolist()


def test_columns_of_dictionaries_and_lists_in_a_file_may_stand_beside(tmp_path: Path) -> None:
    pa.parquet.write_table(arrow(MADE).append_column("tags", pa.array([["a"]] * len(MADE))), tmp_path / "x.parquet")
    with open_rows(str(tmp_path / "x.parquet")) as rows:
        batch = next(iter(rows))
        Parser(COLUMNS).matrix(batch)
    with pytest.raises(DataError, match=r"column tags: contains list<.*>, which is not a single value"):
        target(batch, Target(name="tags"))


@pytest.mark.parametrize("form", ["parquet", "feather"])
def test_a_column_name_that_is_no_text_is_one_sentence(tmp_path: Path, form: str) -> None:
    """A byte of a name is broken, wherever the format keeps names; where it does not read them, that is no matter."""
    file, path = io.BytesIO(), tmp_path / f"data.{form}"
    MADE.to_parquet(file) if form == "parquet" else MADE.to_feather(file, compression="uncompressed")
    content, said = file.getvalue(), []
    for found in re.finditer(b"Income", content):
        path.write_bytes(content[: found.start()] + b"\x80" + content[found.start() + 1 :])
        try:
            parse(path)
        except DataError as error:
            said.append(str(error))
    assert said
    assert not any("\n" in sentence for sentence in said)
