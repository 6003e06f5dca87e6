"""Tables to read: folders of files in any format that the session has, and tables of its catalogs."""

from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

import msgspec
from pyspark.sql import DataFrame, SparkSession

from loan_spark.folder import File, Folder
from tabular_model.errors import DataError

_ENDINGS = {"parquet": "parquet", "csv": "csv", "orc": "orc", "json": "json", "jsonl": "json", "ndjson": "json"}
_COMPRESSED = ("gz", "zst", "bz2", "snappy", "lz4")
_OPTIONS = {"csv": {"header": "true", "mode": "FAILFAST"}, "json": {"mode": "FAILFAST"}}


class Identity(msgspec.Struct, frozen=True):
    """What was read: `sha256` is over the files' paths, sizes and times, so that it changes where any of them does."""

    source: str
    format: str
    files: int
    bytes: int
    sha256: str


class Table(NamedTuple):
    """A table that is to be scored, and what it is."""

    frame: DataFrame
    identity: Identity


def read(session: SparkSession, source: str, format: str = "", options: Mapping[str, str] | None = None) -> Table:
    """A folder or file, whose names say the format unless it is given, or a table `catalog.schema.name`.

    DataError where there is nothing, or nothing that says the format.
    """
    if "/" not in source and not Folder(session, source).exists() and session.catalog.tableExists(source):
        frame = session.table(source)
        names = sorted(frame.inputFiles())
        return Table(frame, Identity(source, "table", len(names), 0, _digest(names)))
    folder = Folder(session, source)
    if not folder.exists():
        raise DataError(f"There is no folder, file or table {source}.")
    files = folder.files()
    format = format or _format(folder, files, source)
    frame = session.read.format(format).options(**_OPTIONS.get(format, {}), **(options or {})).load(folder.url)
    digest = _digest([f"{file.path} {file.size} {file.changed}" for file in files])
    return Table(frame, Identity(source, format, len(files), sum(file.size for file in files), digest))


def _format(folder: Folder, files: list[File], source: str) -> str:
    if "_delta_log" in folder.names():
        return "delta"
    for file in files:
        endings = file.path.lower().split(".")[1:]
        while endings and endings[-1] in _COMPRESSED:
            endings.pop()
        if endings and endings[-1] in _ENDINGS:
            return _ENDINGS[endings[-1]]
    known = ", ".join(sorted(set(_ENDINGS.values())))
    raise DataError(f"No file name in {source} says its format; give it with --input-format ({known}, delta, iceberg).")


def _digest(lines: list[str]) -> str:
    return sha256("\n".join(lines).encode()).hexdigest()
