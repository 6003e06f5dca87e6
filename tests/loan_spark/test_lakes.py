"""Tables of a lake, with the jars of Delta and Iceberg: in a process of its own, as they are the session's."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from tests.loan_spark.test_run import flawed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PACKAGES = "io.delta:delta-spark_4.1_2.13:4.4.0,org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0"
SETTINGS = {
    "spark.jars.packages": PACKAGES,
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension,"
    "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.catalog.lake.type": "hadoop",
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

    found = {}
    for name, source in {"delta": f"{folder}/delta", "iceberg": "lake.bank.applications"}.items():
        target = f"{folder}/{name}-scored"
        done = run(source=source, target=target, output_format="delta", partition_by=("Region",))
        table = spark.read.format("delta").load(target)
        found[name] = [done.input.format, table.where("probability is not null").count(), table.columns[-4:]]
    run(source=f"{folder}/delta", target=f"{folder}/delta-scored", output_format="delta", overwrite=True)
    ice = {"target": "lake.bank.scored", "output_format": "iceberg", "beside": f"{folder}/ice"}
    run(source="lake.bank.applications", partition_by=("Region",), **ice)
    try:
        run(source="lake.bank.applications", **ice)
    except Exception as error:
        found["again"] = str(error)
    run(source="lake.bank.applications", overwrite=True, **ice)
    found["ice"] = [spark.table("lake.bank.scored").count(), spark.table("lake.bank.scored").columns[-4:]]
    found["history"] = spark.sql(f"DESCRIBE HISTORY delta.`{folder}/delta-scored`").count()
    found["rows"] = spark.read.format("delta").load(f"{folder}/delta-scored").count()
    print(json.dumps(found))
"""


def test_delta_and_iceberg_are_read_and_written(spark, trained_registry, tmp_path):
    flawed(1000, 0.005).assign(Region=["north", "south"] * 500).to_parquet(tmp_path / "rows.parquet")
    command = [sys.executable, "-c", CODE, str(tmp_path), str(trained_registry), json.dumps(SETTINGS)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    answers = ["probability", "decision", "model_version", "refused"]
    assert found["delta"] == ["delta", 995, answers]
    assert found["iceberg"] == ["table", 995, answers]
    assert (found["history"], found["rows"]) == (2, 995)
    assert found["ice"] == [995, answers]
    assert found["again"] == "The output lake.bank.scored already exists; choose another name, or use --overwrite."
    for folder in ("delta-scored", "ice"):
        assert len(pd.read_parquet(tmp_path / folder / "_refused")) == 5
        assert json.loads((tmp_path / folder / "_manifest.json").read_bytes())["counts"]["scored"] == 995
