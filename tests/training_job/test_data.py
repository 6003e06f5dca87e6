import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import obstore
import pandas as pd
import pytest

from loan_model.synthetic import LOAN, generate
from tabular_model.declaration import Declaration
from tabular_model.errors import DataError
from tabular_model.storage import open_bucket
from tests.tabular_model.data.files import COLUMNS, FILES, TARGET, codes, frame
from training_job import data
from training_job.data import Dataset

FRAME = generate(300, seed=1)
Loaded = Callable[..., Dataset]


def load(source: str | Path, declaration: Declaration = LOAN) -> Dataset:
    return data.load(str(source), declaration)


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    """Writes a frame or text as CSV, and loads it."""

    def load_it(content: Any, declaration: Declaration = LOAN, **options: Any) -> Dataset:
        path = tmp_path / "data.csv"
        text = content if isinstance(content, str) else content.to_csv(**{"index": False} | options)
        path.write_text(text)
        return load(path, declaration)

    return load_it


def with_cell(row: int, column: str, value: Any) -> pd.DataFrame:
    """The frame with one cell replaced; rows count from 1."""
    frame = FRAME.astype(object)
    frame.loc[row - 1, column] = value
    return frame


def test_csv_and_parquet_give_the_same_rows(loaded: Loaded, tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "data.parquet")
    csv, parquet = loaded(FRAME), load(str(tmp_path / "data.parquet"))
    pd.testing.assert_frame_equal(csv.frame, parquet.frame)
    pd.testing.assert_frame_equal(csv.frame, FRAME[list(LOAN.schema.names)].astype(np.float64))
    assert (csv.target == FRAME[LOAN.target.name]).all()
    assert (parquet.target == csv.target).all()
    assert csv.notes == parquet.notes == ()
    assert len(csv.sha256) == 64


def test_the_clients_unnamed_column_is_dropped_and_said_so(loaded: Loaded) -> None:
    dataset = loaded(FRAME, index=True)
    assert list(dataset.frame) == list(LOAN.schema.names)
    assert dataset.notes == ("Dropped the unnamed column: it contains only row numbers.",)


def test_a_row_number_without_a_header_is_dropped_and_said_so(loaded: Loaded) -> None:
    dataset = loaded(FRAME.to_csv(index=True).removeprefix(","))
    pd.testing.assert_frame_equal(dataset.frame, loaded(FRAME).frame)
    assert dataset.notes == ("Dropped the unnamed column: it contains only row numbers.",)


def test_an_index_in_parquet_is_dropped_and_said_so(tmp_path: Path) -> None:
    FRAME.set_index(FRAME.index.to_numpy()[::-1]).to_parquet(tmp_path / "data.parquet")
    assert load(str(tmp_path / "data.parquet")).notes == ("Dropped the unnamed column: it contains only row numbers.",)


def test_a_column_that_is_not_in_the_schema_is_dropped_and_said_so(loaded: Loaded) -> None:
    assert loaded(FRAME.assign(Postcode=1)).notes == ("Dropped the column Postcode: it is not in the schema.",)


def test_columns_come_in_any_order_and_empty_lines_do_not_count(loaded: Loaded) -> None:
    shuffled = FRAME[[*reversed(FRAME.columns)]]
    pd.testing.assert_frame_equal(loaded(shuffled.to_csv(index=False) + "\n\n").frame, loaded(FRAME).frame)


@pytest.mark.parametrize("written", ["", "NA", "nan", "NULL", "None", "n/a", "#N/A", "-", "?"])
def test_a_missing_value_may_be_written_in_many_ways(loaded: Loaded, written: str) -> None:
    assert np.isnan(loaded(with_cell(5, "Credit_Score", written)).frame["Credit_Score"][4])


def test_values_out_of_range_are_counted_and_kept(loaded: Loaded) -> None:
    dataset = loaded(with_cell(1, "Age", 17).assign(Loan_Duration_Years=31))
    assert dataset.notes == (
        "Age: 1 value is outside 18 to 69; kept unchanged.",
        "Loan_Duration_Years: 300 values are outside 1 to 30; kept unchanged.",
    )


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            with_cell(12, "Annual_Income", "a lot"),
            "row 12 (line 13 of a text file), column Annual_Income: 'a lot' is not a number.",
        ),
        (
            with_cell(2, "Age", "70,5"),
            "row 2 (line 3 of a text file), column Age: '70,5' is not a number with a decimal point",
        ),
        (with_cell(7, "Loan_Amount", "inf"), "row 7 (line 8 of a text file), column Loan_Amount: inf is not finite."),
        (
            with_cell(4, "Had_Past_Default", ""),
            "row 4 (line 5 of a text file), column Had_Past_Default: is missing.",
        ),
        (
            with_cell(300, "Loan_Duration_Years", 2.5),
            "row 300 (line 301 of a text file), column Loan_Duration_Years: 2.5 is not a whole number.",
        ),
        (
            with_cell(9, "Loan_Approval", 2),
            "row 9 (line 10 of a text file), column Loan_Approval: 2 is neither 0 nor 1.",
        ),
        (with_cell(9, "Loan_Approval", ""), "row 9 (line 10 of a text file), column Loan_Approval: is missing."),
        (FRAME.drop(columns=["Age", "Loan_Amount"]), "has no column Age, Loan_Amount; its columns are Annual_Income"),
        (FRAME.iloc[:0], "has column names but no rows."),
        ("", "is empty; it needs a line of column names, followed by rows."),
        (FRAME.assign(Loan_Approval=1), "has only one class: Loan_Approval is 1 in every row."),
        (FRAME.assign(Loan_Approval=[0] * 4 + [1] * 296), "has too few rows with Loan_Approval 0"),
        (FRAME.assign(Age=np.nan), "has a value in only 0 rows of column Age; 20 are needed."),
        (
            FRAME.to_csv(index=False) + ",".join("1" * 12),
            "row 301 (line 302 of a text file): has 12 cells, more than the 8 column names.",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) and " " in value else "",
)
def test_a_broken_file_is_refused_in_one_sentence(loaded: Loaded, frame: Any, message: str) -> None:
    with pytest.raises(DataError) as refused:
        loaded(frame)
    assert message in str(refused.value)
    assert "data.csv" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_row_is_the_files_though_lines_before_it_are_empty(loaded: Loaded) -> None:
    lines = with_cell(2, "Age", "old").to_csv(index=False).splitlines()
    with pytest.raises(DataError, match=r"row 3 \(line 4 of a text file\), column Age: 'old'"):
        loaded("\n".join([*lines[:2], "", *lines[2:]]))


def test_text_in_parquet_is_refused_with_its_row(tmp_path: Path) -> None:
    with_cell(3, "Age", "young").astype(str).to_parquet(tmp_path / "data.parquet")
    with pytest.raises(DataError, match=r"row 3, column Age: 'young' is not a number"):
        load(str(tmp_path / "data.parquet"))


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"PAR1 but no more", b"PK\x03\x04\xff"])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"is not a table|cannot be read as"):
        load(tmp_path / "data.csv")


def test_no_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(
            DataError, match=r"(No data file was found in|The data file) .*; `loan data --output FILE` writes one\."
        ):
            load(path)


@pytest.mark.parametrize(
    ("column", "bad", "what"),
    [
        ("Annual_Income", 1e23, "1e+23 does not belong to a column of 30000 to 200000"),
        ("Had_Past_Default", 2, "2 does not belong to a column of 0 to 1"),
    ],
)
def test_values_that_no_such_column_holds_are_refused_above_a_share(
    loaded: Loaded, column: str, bad: float, what: str
) -> None:
    frame = FRAME.astype({column: float})
    frame.loc[4:6, column] = bad
    assert any(note.startswith(f"{column}: 3 values are outside") for note in loaded(frame).notes)
    frame.loc[7, column] = bad
    with pytest.raises(DataError, match=r"row 5 \(line 6 of a text file\), column") as refused:
        loaded(frame)
    assert f"{what}, and 1.3% of the rows have such values" in str(refused.value)


def declared(**changes: Any) -> Declaration:
    return msgspec.structs.replace(LOAN, **changes)


def test_ignored_columns_are_said_in_one_note(loaded: Loaded) -> None:
    dataset = loaded(FRAME.assign(Id=1, Name="x"), declared(ignored=("Id", "Name", "Absent")))
    assert dataset.notes == ("Ignored Id, Name, as declared.",)


def test_groups_and_times(loaded: Loaded) -> None:
    frame = FRAME.assign(Client=[f"0{row // 2}" for row in range(300)], When="2024-01-31")
    frame.loc[0, "When"], frame.loc[1, "When"], frame.loc[2:3, "Client"] = "2024-02", "2024-01-31T12:00:00+02:00", ""
    dataset = loaded(frame, declared(group="Client", time="When"))
    assert dataset.groups is not None
    assert dataset.groups[:2].tolist() == ["00", "00"]
    assert len(set(dataset.groups[2:4])) == 2
    assert dataset.times is not None
    assert dataset.times[:3].tolist() == np.array(["2024-02-01", "2024-01-31T10", "2024-01-31"], "M8[ns]").tolist()
    assert dataset.notes == ("2 rows have no Client; each is treated as a group of one row.",)
    with pytest.raises(DataError, match=r"row 6 .*, column When: 'soon' is not a date such as 2024-01-31"):
        loaded(frame.assign(When=["2024-01-31"] * 5 + ["soon"] * 295), declared(time="When"))
    with pytest.raises(DataError, match="has no column Applicant"):
        loaded(frame, declared(group="Applicant"))


def test_the_digest_is_of_the_bytes_of_all_parts(tmp_path: Path) -> None:
    FRAME[:150].to_csv(tmp_path / "a.csv", index=False)
    FRAME[150:].to_csv(tmp_path / "b.csv", index=False, sep=";")
    dataset = load(tmp_path)
    pd.testing.assert_frame_equal(dataset.frame, FRAME[list(LOAN.schema.names)].astype(np.float64))
    content = (tmp_path / "a.csv").read_bytes() + (tmp_path / "b.csv").read_bytes()
    assert dataset.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", FILES)
def test_each_file_gives_the_same_data_set(tmp_path: Path, name: str) -> None:
    made = frame()
    FILES[name](made, tmp_path / name)
    declaration = Declaration(model="any", target=TARGET, columns=COLUMNS, ignored=("Id",))
    dataset = load(tmp_path / name, declaration)
    np.testing.assert_array_equal(dataset.frame.to_numpy(), codes(made))
    assert dataset.target.tolist() == made["Approved"].tolist()


def test_a_file_in_a_bucket_is_read(bucket: str) -> None:
    written = io.BytesIO()
    FRAME.to_parquet(written)
    obstore.put(open_bucket(bucket), "data.parquet", written.getvalue())
    assert len(load(f"{bucket}/data.parquet").frame) == len(FRAME)
    obstore.put(open_bucket(bucket), "parts/1/data.parquet", written.getvalue())
    obstore.put(open_bucket(bucket), "parts/2/data.parquet", written.getvalue())
    obstore.put(open_bucket(bucket), "parts/_SUCCESS", b"")
    assert len(load(f"{bucket}/parts/").frame) == 2 * len(FRAME)
    with pytest.raises(DataError, match=r"The data file .* was not found"):
        load(f"{bucket}/other.parquet")
