"""Spark reads the record of decisions as a table, partitioned by day and version."""

from tests.tabular_model.decisions.decided import DAY, days, two_days


def test_the_folder_is_a_table_by_day_and_version(spark, tmp_path):
    table = spark.read.parquet(str(two_days(tmp_path)))
    query = table.selectExpr(
        "id", "date", "version", "application.Loan_Amount", "unix_seconds(time) AS time", "probability", "reason_codes"
    )
    assert [tuple(row) for row in query.orderBy("id").collect()] == [
        ("a", DAY.date(), "v1", 15000.0, DAY.timestamp(), 0.5, None),
        ("b", DAY.date(), "v2", 15000.0, DAY.timestamp(), 0.5, ["X", "Y"]),
        ("c", (DAY + days(1)).date(), "v1", 15000.0, (DAY + days(1)).timestamp(), 0.5, None),
    ]
    assert table.where("date = '2026-11-30' AND version = 'v1'").count() == 1
