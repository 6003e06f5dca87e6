"""What other tools make of the record's folder; Spark, in tests/loan_spark."""

import duckdb
import pandas as pd

from tests.tabular_model.decisions.decided import DAY, days, two_days


def test_pandas_reads_the_folder_with_the_columns_of_the_files(tmp_path):
    frame = pd.read_parquet(two_days(tmp_path), partitioning=None).sort_values("id")
    assert frame[["id", "version"]].values.tolist() == [["a", "v1"], ["b", "v2"], ["c", "v1"]]


def test_duckdb_reads_the_folder_and_the_days_in_its_names(tmp_path):
    read = f"FROM read_parquet('{two_days(tmp_path)}/**/*.parquet', hive_partitioning = true)"
    columns = "id, date, version, application.Loan_Amount, epoch(time), probability, reason_codes"
    with duckdb.connect() as base:
        found = base.sql(f"SELECT {columns} {read} ORDER BY id").fetchall()
        later = base.sql(f"SELECT id {read} WHERE date = '2026-11-30'").fetchall()
    assert later == [("c",)]
    assert [(row[0], row[1], row[4]) for row in found] == [
        ("a", DAY.date(), DAY.timestamp()),
        ("b", DAY.date(), DAY.timestamp()),
        ("c", (DAY + days(1)).date(), (DAY + days(1)).timestamp()),
    ]
    assert found[1][2:4] == ("v2", 15000.0)
    assert found[1][5:] == (0.5, ["X", "Y"])
