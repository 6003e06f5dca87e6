"""`score`: a Spark frame in, the same frame with its answers out."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_type, to_arrow_schema
from pyspark.sql.types import StructField, StructType

from loan_spark.version import ShippedVersion
from loan_spark.worker import REFUSED, Scoring
from tabular_model.data import Batch, Place
from tabular_model.errors import DataError

SOURCE = "The table"


def score(
    frame: DataFrame,
    registry: str | Path,
    version: str | None = None,
    *,
    explain: bool = False,
    verify_key: Path | None = None,
) -> DataFrame:
    """The frame, with `probability`, `decision` and `model_version` of each row, and `refused`.

    `version` is the registry's default unless it is given; `explain` adds `reason_codes`. A row that the version does
    not accept has no probability and no decision, and in `refused` the sentence that an endpoint would have answered;
    elsewhere that is null. Only the driver reads the registry. DataError where the frame's columns are not those of
    the version, RegistryError where the version cannot be used.
    """
    return scored(frame, ShippedVersion.of(registry, version, verify_key), explain)


def scored(frame: DataFrame, version: ShippedVersion, explain: bool, source: str = SOURCE) -> DataFrame:
    """As `score`, by a version that was read before; `source` names the table in messages."""
    _check_names(source, frame.columns)
    scoring = Scoring(version, source, tuple(frame.columns), explain)
    fields = _checked(scoring, frame)
    answers = [StructField(field.name, from_arrow_type(field.type)) for field in fields]

    def batches(rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return scoring.batches(rows)

    return frame.mapInArrow(batches, StructType([*frame.schema.fields, *answers]))


def _checked(scoring: Scoring, frame: DataFrame) -> list[pa.Field]:
    """The columns that are added, where the driver finds that the version loads and scores such a table."""
    scorer = scoring.version.scorer(scoring.source, list(scoring.names), scoring.explain)
    none = pa.RecordBatch.from_pylist([], schema=to_arrow_schema(frame.schema))
    scorer.check(Batch(none, Place(scoring.source, 0)))
    return [*scorer.fields, REFUSED]


def _check_names(source: str, names: list[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{source} has the column {twice} more than once; column names must be unique.")
    if REFUSED.name in names:
        raise DataError(f"{source} already has a column {REFUSED.name}, which the output also has; rename it.")
