"""A run of `loan predict --engine spark`: a table in, its scores out, whole or not at all."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import msgspec
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as sql

from loan_spark import tables
from loan_spark.manifest import Counts, RunManifest, ScoreDistribution
from loan_spark.output import Output, Target
from loan_spark.scoring import scored
from loan_spark.version import ShippedVersion
from loan_spark.worker import REFUSED
from tabular_model.errors import DataError
from tabular_model.reference import FILE as REFERENCE
from tabular_model.reference import Distribution, Reference


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What to score, by which version, and where to; more than the share `most_refused` of the rows fails it."""

    source: str
    target: str
    registry: str
    version: str | None = None
    verify_key: Path | None = None
    explain: bool = False
    beside: str = ""
    overwrite: bool = False
    input_format: str = ""
    input_options: Mapping[str, str] = {}
    output_format: str = "parquet"
    partition_by: tuple[str, ...] = ()
    most_refused: float = 0.01
    name: str = ""

    def __call__(self, session: SparkSession) -> RunManifest:
        """Scores the table; ModelError says why nothing was written."""
        started, clock = datetime.now(UTC), time.monotonic()
        if not 0 <= self.most_refused <= 1:
            raise DataError(f"The share of rows that may be refused is {self.most_refused:g}; give one from 0 to 1.")
        version = ShippedVersion.of(self.registry, self.version, self.verify_key)
        target = Target(self.target, self.output_format, self.partition_by, self.overwrite, self.beside)
        output = Output(session, target)
        table = tables.read(session, self.source, self.input_format, self.input_options)
        self._check_partitions(table.frame)
        reference = Reference.decode(version.files[REFERENCE]).score
        frame = scored(table.frame, version, self.explain, self.source)
        observation = Observation()
        with output.staging() as staging:
            staging.write(frame.observe(observation, *_observed(reference)))
            counts, histogram = _found(observation, reference)
            self._judge(counts)
            manifest = version.manifest
            done = RunManifest(
                run=self.name,
                model=manifest.model,
                version=manifest.version,
                registry=version.url,
                signer=manifest.signer if isinstance(manifest.signer, str) else None,
                input=table.identity,
                output=self.target,
                format=self.output_format,
                partition_by=self.partition_by,
                counts=counts,
                most_refused=self.most_refused,
                scores=ScoreDistribution.of(reference, histogram),
                spark=session.version,
                started=started,
                seconds=round(time.monotonic() - clock, 3),
            )
            output.commit(staging, done.encode())
        return done

    def _check_partitions(self, frame: DataFrame) -> None:
        absent = [name for name in self.partition_by if name not in frame.columns]
        if absent:
            raise DataError(f"{self.source} has no column {', '.join(absent)} to partition the output by.")

    def _judge(self, counts: Counts) -> None:
        """DataError where there are no rows, or too many were refused."""
        if not counts.rows:
            raise DataError(f"{self.source} has no rows.")
        if counts.refused > self.most_refused * counts.rows:
            raise DataError(
                f"{counts.refused} of {counts.rows} rows of {self.source} cannot be scored, which is more than "
                f"{self.most_refused:.3g} of them; nothing was written."
            )


def _observed(reference: Distribution) -> list[Column]:
    """What is counted while rows are written: all, those refused and approved, and the scores from each edge on."""
    probability = sql.col("probability")
    reached = enumerate(reference.edges[1:-1])
    return [
        sql.count(sql.lit(1)).alias("rows"),
        sql.count(REFUSED.name).alias("refused"),
        sql.coalesce(sql.sum("decision"), sql.lit(0)).alias("approved"),
        *(sql.count(sql.when(probability >= edge, 1)).alias(f"from_{place}") for place, edge in reached),
    ]


def _found(observation: Observation, reference: Distribution) -> tuple[Counts, tuple[int, ...]]:
    found = observation.get
    counts = Counts(found["rows"], found["rows"] - found["refused"], found["refused"], found["approved"])
    reached = [counts.scored, *(found[f"from_{place}"] for place in range(len(reference.counts) - 1)), 0]
    return counts, tuple(here - above for here, above in pairwise(reached))
