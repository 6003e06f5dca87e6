"""What other tools make of the record's folder."""

import duckdb
import pandas as pd
import pytest

from tests.tabular_model.decisions.decided import DAY, V2, closed, days, decided, writing, written


@pytest.fixture
def root(tmp_path):
    """A record of two days and two versions."""
    writer = writing(tmp_path)
    written(writer, decided("a"), decided("b", of=V2, reasons=[["X", "Y"]]))
    written(writer, decided("c", at=DAY + days(1)))
    closed(writer)
    return tmp_path


def test_pandas_reads_the_folder_with_the_columns_of_the_files(root):
    frame = pd.read_parquet(root, partitioning=None).sort_values("id")
    assert frame[["id", "version"]].values.tolist() == [["a", "v1"], ["b", "v2"], ["c", "v1"]]


def test_duckdb_reads_the_folder_and_the_days_in_its_names(root):
    read = f"read_parquet('{root}/**/*.parquet', hive_partitioning = true)"
    query = "SELECT id, date, version, application.Loan_Amount, epoch(time), probability, reason_codes"
    with duckdb.connect() as base:
        found = base.sql(f"{query} FROM {read} ORDER BY id").fetchall()
        (one,) = base.sql(f"SELECT id FROM {read} WHERE date = '2026-11-30'").fetchall()
    day, next_day = DAY.date(), (DAY + days(1)).date()
    assert found == [
        ("a", day, "v1", 15000.0, DAY.timestamp(), 0.5, None),
        ("b", day, "v2", 15000.0, DAY.timestamp(), 0.5, ["X", "Y"]),
        ("c", next_day, "v1", 15000.0, (DAY + days(1)).timestamp(), 0.5, None),
    ]
    assert one == ("c",)
