"""The output of a run: all of it appears under its name, or nothing.

Rows are written to a folder beside it whose name begins with `_`, which no reader looks into. Its renaming is the
commit. A bucket has no renaming: there each file is copied, and the manifest, written last, says that all are there.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sql

from loan_spark.folder import Folder
from loan_spark.worker import REFUSED
from tabular_model.data.writer import SEPARATOR
from tabular_model.errors import DataError

MANIFEST = "_manifest.json"
REFUSED_FOLDER = "_refused"
FORMATS = ("parquet", "csv", "json", "orc")
_SIDE = "loan_side"  # the column by which rows are parted while they are written
_SCORED, _REFUSED = "scored", "refused"


class Output:
    """Where a run writes: rows, below them `_refused` with the rows that were, and `_manifest.json`."""

    def __init__(self, session: SparkSession, url: str, overwrite: bool) -> None:
        """DataError if it is there already, whole, unless `overwrite`."""
        self.folder = Folder(session, url)
        self._overwrite = overwrite
        self._prefix = f"_loan-{sha256(self.folder.url.encode()).hexdigest()[:12]}-"
        if self.folder.exists() and not overwrite:
            raise DataError(f"The output {url} already exists; choose another name, or use --overwrite.")

    @contextmanager
    def staging(self, format: str, partition_by: Sequence[str]) -> Iterator["Staging"]:
        """Where the rows are written first; gone after an error."""
        folder = self.folder.sibling(f"{self._prefix}{uuid4().hex[:12]}")
        try:
            yield Staging(folder, format, partition_by)
        except BaseException:
            folder.remove()
            raise

    def commit(self, staging: "Staging", manifest: bytes) -> None:
        """Shows what was staged; what killed runs left of the same output is removed."""
        whole = self.folder.renamed_whole
        rows = staging.folder.child(f"{_SIDE}={_SCORED}")
        refused = staging.folder.child(f"{_SIDE}={_REFUSED}")
        rows.make()  # also where all were refused
        if refused.exists():
            refused.move(rows.child(REFUSED_FOLDER))
        if whole:
            rows.write(MANIFEST, manifest)
        old = self._aside()
        try:
            rows.move(self.folder)
        except FileExistsError:
            raise DataError(f"The output {self.folder.url} was written by another run meanwhile.") from None
        if not whole:
            self.folder.write(MANIFEST, manifest)
        if old:
            old.remove()
        for left in self.folder.siblings(self._prefix):
            left.remove()

    def _aside(self) -> Folder | None:
        """The output that is replaced, under another name."""
        if not (self._overwrite and self.folder.exists()):
            return None
        old = self.folder.sibling(f"{self._prefix}old")
        old.remove()
        self.folder.move(old)
        return old


class Staging:
    """Rows that nobody sees yet."""

    def __init__(self, folder: Folder, format: str, partition_by: Sequence[str]) -> None:
        self.folder = folder
        self._format = format
        self._partition_by = partition_by

    def write(self, frame: DataFrame) -> None:
        """Writes scored and refused rows in one pass, apart."""
        side = sql.when(sql.col(REFUSED.name).isNull(), _SCORED).otherwise(_REFUSED)
        if self._format == "csv" and "reason_codes" in frame.columns:
            frame = frame.withColumn("reason_codes", sql.array_join("reason_codes", SEPARATOR))
        writer = frame.withColumn(_SIDE, side).write.format(self._format).partitionBy(_SIDE, *self._partition_by)
        if self._format == "csv":
            writer = writer.option("header", True)
        writer.save(self.folder.url)
