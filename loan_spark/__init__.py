"""Batch scoring on Apache Spark: the same rows, checks and probabilities as through every endpoint.

from loan_spark import score

scored = score(spark.table("applications"), "s3://models/registry", "v3")
"""

from loan_spark.scoring import score

__all__ = ["score"]
