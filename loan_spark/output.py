"""The output of a run: all of it appears under its name, or nothing.

Rows are written to a folder beside it whose name begins with `_`, which no reader looks into. Its renaming is the
commit. A bucket has no renaming: there each file is copied, and the manifest, written last, says that all are there. A
Delta or Iceberg table has a commit of its own, which takes the rows from there.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import NamedTuple
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sql
from pyspark.sql.types import StructType

from loan_spark.folder import Folder
from loan_spark.worker import REFUSED
from tabular_model.data.writer import SEPARATOR
from tabular_model.errors import DataError

MANIFEST = "_manifest.json"
REFUSED_FOLDER = "_refused"
FILES, DELTA, ICEBERG = ("parquet", "csv", "json", "orc"), "delta", "iceberg"
FORMATS = (*FILES, DELTA, ICEBERG)
_SIDE = "loan_side"  # the column by which rows are parted while they are written
_SCORED, _REFUSED = "scored", "refused"


class Target(NamedTuple):
    """Where a run writes, and how: a folder, or with `iceberg` a table, whose folder is then `beside`."""

    name: str
    format: str
    partition_by: Sequence[str]
    overwrite: bool
    beside: str = ""


class Output:
    """Where a run writes: rows, below them `_refused` with the rows that were, and `_manifest.json`."""

    def __init__(self, session: SparkSession, target: Target) -> None:
        """DataError if it is there already, unless it is to be overwritten, or if its format is none of `FORMATS`."""
        if target.format not in FORMATS:
            raise DataError(f"{target.format} is not a format of the output; use {', '.join(FORMATS)}.")
        if target.format == ICEBERG and not target.beside:
            raise DataError(
                "An Iceberg table has no place for refused rows and the manifest; name a folder by --beside."
            )
        self.folder = Folder(session, target.beside or target.name)
        self._session = session
        self._target = target
        self._prefix = f"_loan-{sha256(self.folder.url.encode()).hexdigest()[:12]}-"
        there = target.format == ICEBERG and session.catalog.tableExists(target.name)
        if (there or self.folder.exists()) and not target.overwrite:
            taken = target.name if there else target.beside or target.name
            raise DataError(f"The output {taken} already exists; choose another name, or use --overwrite.")

    @contextmanager
    def staging(self) -> Iterator["Staging"]:
        """Where the rows are written first; gone after an error."""
        folder = self.folder.sibling(f"{self._prefix}{uuid4().hex[:12]}")
        format = self._target.format if self._target.format in FILES else "parquet"
        try:
            yield Staging(folder, format, self._target.partition_by)
        except BaseException:
            folder.remove()
            raise

    def commit(self, staging: "Staging", manifest: bytes) -> None:
        """Shows what was staged; what killed runs left of the same output is removed."""
        staging.scored.make()  # also where all were refused
        if self._target.format in FILES:
            self._commit_files(staging, manifest)
        else:
            self._commit_table(staging, manifest)
        for left in self.folder.siblings(self._prefix):
            left.remove()

    def _commit_files(self, staging: "Staging", manifest: bytes) -> None:
        whole = self.folder.renamed_whole
        if staging.refused.exists():
            staging.refused.move(staging.scored.child(REFUSED_FOLDER))
        if whole:
            staging.scored.write(MANIFEST, manifest)
        old = self._aside()
        try:
            staging.scored.move(self.folder)
        except FileExistsError:
            raise DataError(f"The output {self.folder.url} was written by another run meanwhile.") from None
        if not whole:
            self.folder.write(MANIFEST, manifest)
        if old:
            old.remove()

    def _commit_table(self, staging: "Staging", manifest: bytes) -> None:
        rows = self._session.read.schema(staging.schema).parquet(staging.scored.url).select(staging.schema.names)
        if self._target.format == DELTA:
            mode = "overwrite" if self._target.overwrite else "errorifexists"
            writer = rows.write.format(DELTA).mode(mode).option("overwriteSchema", True)
            writer.partitionBy(*self._target.partition_by).save(self.folder.url)
        else:
            table = rows.writeTo(self._target.name).using(ICEBERG)
            if self._target.partition_by:
                table = table.partitionedBy(*map(sql.col, self._target.partition_by))
            (table.createOrReplace if self._target.overwrite else table.create)()
        refused = self.folder.child(REFUSED_FOLDER)
        refused.remove()
        self.folder.make()
        if staging.refused.exists():
            staging.refused.move(refused)
        self.folder.write(MANIFEST, manifest)

    def _aside(self) -> Folder | None:
        """The output that is replaced, under another name."""
        if not (self._target.overwrite and self.folder.exists()):
            return None
        old = self.folder.sibling(f"{self._prefix}old")
        old.remove()
        self.folder.move(old)
        return old


class Staging:
    """Rows that nobody sees yet."""

    def __init__(self, folder: Folder, format: str, partition_by: Sequence[str]) -> None:
        self.folder = folder
        self.scored = folder.child(f"{_SIDE}={_SCORED}")
        self.refused = folder.child(f"{_SIDE}={_REFUSED}")
        self.schema = StructType()
        self._format = format
        self._partition_by = partition_by

    def write(self, frame: DataFrame) -> None:
        """Writes scored and refused rows in one pass, apart."""
        self.schema = frame.schema
        side = sql.when(sql.col(REFUSED.name).isNull(), _SCORED).otherwise(_REFUSED)
        if self._format == "csv" and "reason_codes" in frame.columns:
            frame = frame.withColumn("reason_codes", sql.array_join("reason_codes", SEPARATOR))
        writer = frame.withColumn(_SIDE, side).write.format(self._format).partitionBy(_SIDE, *self._partition_by)
        if self._format == "csv":
            writer = writer.option("header", True)
        writer.save(self.folder.url)
