"""What a user of Spark would do otherwise: a pandas UDF around scikit-learn, or MLflow's `spark_udf`.

As `python spark_udf.py pandas|mlflow MASTER INPUT OUTPUT MODEL`, where MODEL is a pipeline of scikit-learn.
"""

import os
import sys
import tempfile
from collections.abc import Iterator

import joblib
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col, pandas_udf, struct


def by_pandas(_: SparkSession, frame: DataFrame, model: str, names: list[str]) -> DataFrame:
    """An iterator, so that the model is read once for each task; as Spark's documentation advises."""

    @pandas_udf("double")
    def probability(batches: Iterator[pd.DataFrame]) -> Iterator[pd.Series]:
        pipeline = joblib.load(model)
        for batch in batches:
            yield pd.Series(pipeline.predict_proba(batch.astype(float))[:, 1])

    return frame.withColumn("probability", probability(struct(*names)))


def by_mlflow(spark: SparkSession, frame: DataFrame, model: str, names: list[str]) -> DataFrame:
    """The same pipeline as MLflow saves it, with this process's own packages rather than a new environment."""
    import mlflow  # noqa: PLC0415 - the other way needs none

    saved = os.path.join(tempfile.mkdtemp(), "model")  # noqa: PTH118 - MLflow takes text
    pipeline = joblib.load(model)
    kept = {"pip_requirements": [], "serialization_format": mlflow.sklearn.SERIALIZATION_FORMAT_CLOUDPICKLE}
    mlflow.sklearn.save_model(pipeline, saved, pyfunc_predict_fn="predict_proba", **kept)
    udf = mlflow.pyfunc.spark_udf(spark, saved, result_type="array<double>", env_manager="local")
    doubles = struct(*(col(name).cast("double").alias(name) for name in names))
    return frame.withColumn("probability", udf(doubles)[1])


if __name__ == "__main__":
    way, master, source, target, model_file = sys.argv[1:]
    os.environ["PYSPARK_PYTHON"] = sys.executable
    settings = {"spark.ui.enabled": "false", "spark.driver.memory": "2g", "spark.log.level": "ERROR"}
    builder = SparkSession.builder.master(master)
    for name, value in settings.items():
        builder = builder.config(name, value)
    with builder.getOrCreate() as session:
        rows = session.read.parquet(source)
        features = [name for name in rows.columns if name != "Customer"]
        scored = {"pandas": by_pandas, "mlflow": by_mlflow}[way](session, rows, model_file, features)
        scored.write.mode("overwrite").parquet(target)
