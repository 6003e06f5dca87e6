"""How the rows of a training come to XGBoost's workers.

All workers start together, in a stage that may not read more parts than there are workers (SPARK-24820), so the rows go
through a shuffle: packed, thousands to a record, and put in order again, because they arrive in any order and boosting
adds in the order of the rows.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import TaskContext

PACKED = 8192  # rows of a package


class Sharing:
    """Deals the rows of one part to `workers`, one after the other."""

    SCHEMA: ClassVar = "worker int, part int, place int, rows binary"

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._part = part_number()
        self._place = 0
        self._next = self._part % workers

    def packed(self, matrix: NDArray[np.float64], target: NDArray[np.int64]) -> Iterator[pa.RecordBatch]:
        """Packages of features [n, columns] and targets [n], as the columns of `SCHEMA`."""
        rows = np.column_stack([matrix, target]).astype(np.float32)
        most = PACKED * self._workers
        for start in range(0, len(rows), most):
            some = rows[start : start + most]
            shares = [some[(worker - self._next) % self._workers :: self._workers] for worker in range(self._workers)]
            self._next = (self._next + len(some)) % self._workers
            yield pa.RecordBatch.from_arrays(
                [
                    pa.array(range(self._workers), pa.int32()),
                    pa.array([self._part] * self._workers, pa.int32()),
                    pa.array([self._place] * self._workers, pa.int32()),
                    pa.array([share.tobytes() for share in shares], pa.binary()),
                ],
                ["worker", "part", "place", "rows"],
            )
            self._place += 1

    @staticmethod
    def unpacked(packages: pa.RecordBatch, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of packages, with their features as the columns `names`, and `target`."""
        for package in packages.column("rows"):
            *features, target = np.frombuffer(package.as_buffer(), np.float32).reshape(-1, len(names) + 1).T
            columns = [pa.array(np.ascontiguousarray(feature)) for feature in features]
            yield pa.RecordBatch.from_arrays([*columns, pa.array(target.astype(np.int64))], [*names, "target"])


def part_number() -> int:
    """The number of the part that this task reads."""
    context = TaskContext.get()
    return context.partitionId() if context else 0
