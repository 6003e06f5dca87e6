"""Tables of a lake, with the jars of Delta and Iceberg: in a process of its own, as they are the session's."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from tests.loan_spark import quick
from tests.loan_spark.test_run import flawed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PACKAGES = "io.delta:delta-spark_4.1_2.13:4.4.0,org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0"
SETTINGS = quick.SETTINGS | {
    "spark.jars.packages": PACKAGES,
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension,"
    "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.catalog.lake.type": "hadoop",
    "spark.databricks.delta.snapshotPartitions": "1",
}
CODE = """
import json, sys
from loan_spark.run import Run
from loan_spark.session import session

folder, registry, settings = sys.argv[1:]
settings = json.loads(settings) | {"spark.sql.catalog.lake.warehouse": f"{folder}/lake"}
with session("local[2]", settings) as spark:
    rows = spark.read.parquet(f"{folder}/rows.parquet")
    rows.write.format("delta").save(f"{folder}/delta")
    rows.writeTo("lake.bank.applications").create()

    def run(**options):
        return Run(registry=registry, version="v1", **options)(spark)

    def read(target, output_format, **_):
        table = spark.read.format("delta").load(target) if output_format == "delta" else spark.table(target)
        rows, scored = table.selectExpr("count(*)", "count(probability)").first()
        return [rows, scored, table.columns[-4:]]

    lakes = {
        "delta": {"source": f"{folder}/delta", "target": f"{folder}/delta-scored"},
        "iceberg": {"source": "lake.bank.applications", "target": "lake.bank.scored", "beside": f"{folder}/ice"},
    }
    found = {}
    for name, places in lakes.items():
        options = places | {"output_format": name}
        first = run(partition_by=("Region",), **options)
        found[name] = {"read as": first.input.format, "first": read(**options)}
        try:
            run(**options)
        except Exception as error:
            found[name]["again"] = str(error)
        run(overwrite=True, **options)
        found[name]["overwritten"] = read(**options)
    found["history"] = spark.sql(f"DESCRIBE HISTORY delta.`{folder}/delta-scored`").count()
    print(json.dumps(found))
"""


def test_delta_and_iceberg_are_read_and_written(java, trained_registry, tmp_path):
    flawed(1000, 0.005).assign(Region=["north", "south"] * 500).to_parquet(tmp_path / "rows.parquet")
    command = [sys.executable, "-c", CODE, str(tmp_path), str(trained_registry), json.dumps(SETTINGS)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    whole = [995, 995, ["probability", "decision", "model_version", "refused"]]
    for name, format, target in (
        ("delta", "delta", tmp_path / "delta-scored"),
        ("iceberg", "table", "lake.bank.scored"),
    ):
        assert found[name] == {
            "read as": format,
            "first": whole,
            "again": f"The output {target} already exists; choose another name, or use --overwrite.",
            "overwritten": whole,
        }
    assert found["history"] == 2
    for folder in ("delta-scored", "ice"):
        assert len(pd.read_parquet(tmp_path / folder / "_refused")) == 5
        assert json.loads((tmp_path / folder / "_manifest.json").read_bytes())["counts"]["scored"] == 995
