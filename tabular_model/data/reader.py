"""The one reader of data files, for training and for scoring."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

from tabular_model.data.formats import Table, table
from tabular_model.data.place import Batch
from tabular_model.data.source import Part, parts, sha256
from tabular_model.errors import DataError, first_line
from tabular_model.storage import without_secrets


class Rows:
    """The rows of a data set, in batches with all its columns as they came: text is text, typed columns keep types.

    `schema` is that of every batch, `count` the number of rows where the files say it, `notes` are sentences on what
    was read in another way than it seems. Memory is that of a few batches; Excel alone is read as a whole.
    """

    def __init__(self, source: str, files: list[Part]) -> None:
        self.source = without_secrets(source) if source != "-" else "standard input"
        self.files = files
        self._tables = [table(part) for part in files]
        self.schema = _common(files, self._tables)
        counts = [each.count for each in self._tables]
        self.count = None if None in counts else sum(count or 0 for count in counts)
        self.notes = [note for each in self._tables for note in each.notes]

    @property
    def names(self) -> tuple[str, ...]:
        """The column names in the order of the first file."""
        return tuple(self.schema.names)

    def sha256(self) -> str:
        """The hex digest of the bytes of all files, one after the other; compressed files are not unpacked for it."""
        return sha256(self.files)

    def __iter__(self) -> Iterator[Batch]:
        for each in self._tables:
            for batch in each.batches():
                yield self._alike(batch).without_empty_rows()

    def _alike(self, batch: Batch) -> Batch:
        """The batch with the columns of all parts, in the order and types of the first or wider ones."""
        rows = batch.rows
        if rows.schema.equals(self.schema):
            return batch
        try:
            columns = [rows.column(field.name).cast(field.type) for field in self.schema]
        except pa.ArrowException as error:
            raise DataError(
                f"{batch.place.file} has values that do not fit the columns of the other parts: {first_line(error)}."
            ) from None
        return batch._replace(rows=pa.RecordBatch.from_arrays(columns, schema=self.schema))


@contextmanager
def open_rows(source: str) -> Iterator[Rows]:
    """Opens a data set: a file, a folder or prefix of parts, an object of a bucket, or `-` for standard input.

    NoFile where there is nothing, DataError with one sentence for what cannot be read. CSV (`,` `;` tab `|`; UTF-8,
    UTF-16, Windows-1252), JSON lines, both also as gzip or zstd; Parquet, Arrow and Feather; Excel.
    """
    with parts(source) as files:
        yield Rows(source, files)


def read(source: str) -> pa.Table:
    """All rows at once, as `open_rows` gives them."""
    with open_rows(source) as rows:
        return pa.Table.from_batches((batch.rows for batch in rows), rows.schema)


def require(source: str, names: Sequence[str], wanted: Sequence[str]) -> None:
    """DataError names the columns that `source` lacks, and those that differ only in case or blanks."""
    absent = [name for name in wanted if name not in names]
    if not absent:
        return
    near = {_folded(name): name for name in names}
    alike = [f"it has {near[_folded(name)]!r}, but the model's is {name!r}" for name in absent if _folded(name) in near]
    there = "; ".join(alike) or "its columns are " + ", ".join(name or "(unnamed)" for name in names)
    raise DataError(f"{source} has no column {', '.join(absent)}; {there}.")


def _common(files: list[Part], tables: list[Table]) -> pa.Schema:
    """The schema that the rows of all parts fit; the order of columns is the first part's."""
    first = tables[0].schema
    for part, each in zip(files, tables, strict=True):
        if set(each.schema.names) != set(first.names):
            differing = sorted(set(each.schema.names) ^ set(first.names))
            raise DataError(
                f"{part.name} and {files[0].name} are not parts of one data set: "
                f"only one of them has {', '.join(differing)}."
            )
    try:
        return pa.unify_schemas([each.schema for each in tables], promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(f"The parts of {files[0].name} differ in their columns: {first_line(error)}.") from None


def _folded(name: str) -> str:
    return name.strip().casefold()
