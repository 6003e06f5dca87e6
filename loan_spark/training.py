"""A training's data on Spark: sums and boosting by the executors, nothing collected but a sample."""

import logging
import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyspark
from pyspark.sql import DataFrame, SparkSession

from loan_spark import tables
from loan_spark.session import failing_in_a_sentence
from loan_spark.sharing import Sharing, part_number
from tabular_model.data import Batch, Place, require
from tabular_model.declaration import Declaration
from tabular_model.errors import DataError
from tabular_model.totals import S, added
from training_job.data import dropped, used
from training_job.out_of_core.table import Block, Blocks, Boosting, Facts
from training_job.training import Training


class _Anywhere(Place):
    """The place of rows that have no number, because Spark parts their files as it likes."""

    def row(self, index: int) -> str:  # noqa: ARG002
        return "one of its rows"


class SparkTable:
    """The table that a training names, as `loan predict --engine spark` reads it."""

    def __init__(self, session: SparkSession, training: Training) -> None:
        declaration = training.declaration
        found = tables.read(session, training.data)
        names = found.frame.columns
        require(training.data, names, used(declaration))
        self._frame = found.frame.select(*(f"`{name}`" for name in used(declaration)))
        self._declaration = declaration
        notes = tuple(dropped(names, declaration))
        identity = found.identity
        self.facts = Facts(identity.source, identity.sha256, notes, "spark", {"pyspark": pyspark.__version__})

    def sum(self, of: Callable[[Block], S]) -> S:
        """Each task sums its part; the parts' sums are added in the order of the parts."""
        declaration, source = self._declaration, self.facts.source

        def summed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            total = added(map(of, _blocks(batches, declaration, source)))
            if total is not None:
                yield pa.RecordBatch.from_pydict({"part": [part_number()], "total": [pickle.dumps(total)]})

        with failing_in_a_sentence():
            rows = self._frame.mapInArrow(summed, "part long, total binary").collect()
        total: S | None = added(pickle.loads(row.total) for row in sorted(rows))  # noqa: S301 - of this run's own tasks
        if total is None:
            raise DataError(f"{self.facts.source} has no rows.")
        return total

    def boost(self, boosting: Boosting) -> Any:
        """By XGBoost's own estimator, which keeps the rows in the executors' memory."""
        from xgboost.spark import SparkXGBClassifier  # noqa: PLC0415 - slow to import

        names = [f"feature_{place}" for place in boosting.positions]
        settings = dict(boosting.settings)
        settings.pop("objective")
        classifier = SparkXGBClassifier(
            features_col=names,
            label_col="target",
            num_workers=(workers := self._workers()),
            missing=np.nan,
            verbose=False,
            feature_types=boosting.types,
            **settings,
        )
        logging.getLogger("XGBoost-PySpark").setLevel(logging.WARNING)
        with failing_in_a_sentence():
            return classifier.fit(self._shared(boosting, names, workers)).get_booster()

    def _shared(self, boosting: Boosting, names: list[str], workers: int) -> DataFrame:
        """The rows to train on in as many parts as there are workers, each as large and always in the same order."""
        declaration, source = self._declaration, self.facts.source

        def packed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            sharing = Sharing(workers)
            for block in _blocks(batches, declaration, source):
                kept = boosting.trained(block)
                yield from sharing.packed(block.matrix[kept][:, boosting.positions], block.target[kept])

        def unpacked(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            return (rows for packages in batches for rows in Sharing.unpacked(packages, names))

        packages = self._frame.mapInArrow(packed, Sharing.SCHEMA).repartitionById(workers, "worker")
        schema = ", ".join([*(f"{name} float" for name in names), "target long"])
        return packages.sortWithinPartitions("part", "place").mapInArrow(unpacked, schema)

    def _workers(self) -> int:
        """As many as tasks run at a time: a worker of XGBoost is a task, and all must run together."""
        context = self._frame.sparkSession.sparkContext
        executors = int(context.getConf().get("spark.executor.instances", "0"))
        cores = int(context.getConf().get("spark.executor.cores", "1"))
        return executors * cores or context.defaultParallelism


def _blocks(batches: Iterable[pa.RecordBatch], declaration: Declaration, source: str) -> Iterator[Block]:
    """The blocks of a task's batches."""
    made = Blocks(declaration)
    for rows in batches:
        batch = Batch(rows, _Anywhere(source, 0, delimiter="")).without_empty_rows()
        if batch.rows.num_rows:
            yield made.of(batch)
