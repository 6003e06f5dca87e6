"""Files of applications: the data plane's door for CSV and Parquet, read and written a chunk at a time."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from loan_model.errors import DataError
from loan_model.schema import Column
from model_server.dataplane import DataPlane
from model_server.errors import ServeError
from model_server.tensors import DEFAULT_OUTPUTS, InferRequest, Tensor

ROWS_AT_ONCE = 65_536
_BROKEN = (pa.ArrowException, OSError, UnicodeDecodeError)  # what pyarrow raises for a file that is not as it says


def predict(plane: DataPlane, version: str | None, source: Path, target: Path) -> Iterator[int]:
    """Writes each row of `source` with its probability, decision and model version; yields rows as they are done.

    DataError names the row and column of a value that cannot be scored; `target` is then not there.
    """
    served = plane.repository.get(version)
    unfinished = target.with_name(target.name + ".part")
    done = 0
    try:
        with _Writer(unfinished, target.suffix) as writer:
            for batch in _read(source, served.model.columns):
                request = InferRequest("", _tensors(batch, served.model.columns, source), DEFAULT_OUTPUTS)
                response = plane.infer(plane.repository.name, served.model.version, request)
                writer.write(_with_answers(batch, response.outputs, response.model_version))
                done += batch.num_rows
                yield batch.num_rows
        unfinished.rename(target)
    except _BROKEN as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise DataError(f"{source} cannot be scored into {target} after row {done}: {reason}.") from error
    except ServeError as error:
        raise DataError(f"{source}, rows {done} and on (rows are counted from there): {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def count_rows(source: Path) -> int | None:
    """The rows of a Parquet file; None for CSV, whose rows are known once it is read. DataError if it is broken."""
    if source.suffix != ".parquet":
        return None
    try:
        return int(pa.parquet.read_metadata(source).num_rows)
    except _BROKEN as error:
        raise DataError(f"{source} cannot be read: {str(error).splitlines()[0].rstrip('.')}.") from error


def _read(source: Path, columns: tuple[Column, ...]) -> Iterator[pa.RecordBatch]:
    if not source.is_file():
        raise DataError(f"There is no file {source}.")
    if source.suffix == ".parquet":
        yield from pa.parquet.ParquetFile(source).iter_batches(ROWS_AT_ONCE)
        return
    if source.suffix != ".csv":
        raise DataError(f"{source} is neither .csv nor .parquet.")
    types = {column.name: pa.float64() for column in columns}
    with pa.csv.open_csv(
        source,
        read_options=pa.csv.ReadOptions(block_size=4 * 2**20),
        convert_options=pa.csv.ConvertOptions(column_types=types),
    ) as reader:
        yield from reader


def _tensors(batch: pa.RecordBatch, columns: tuple[Column, ...], source: Path) -> list[Tensor]:
    tensors = []
    for column in columns:
        if column.name not in batch.schema.names:
            raise DataError(f"{source} has no column {column.name}; it has {', '.join(batch.schema.names)}.")
        values = batch.column(column.name)
        if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
            raise DataError(f"{source}, column {column.name}: holds {values.type}, expected numbers.")
        array = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        tensors.append(Tensor(column.name, "FP64", [len(array)], array))
    return tensors


def _with_answers(batch: pa.RecordBatch, outputs: list[Any], version: str) -> pa.RecordBatch:
    for output in outputs:
        batch = batch.append_column(output.name, pa.array(np.ascontiguousarray(output.values)))
    return batch.append_column("model_version", pa.array([version] * batch.num_rows))


class _Writer(AbstractContextManager["_Writer"]):
    """Opens its file with the first batch, whose columns are the file's."""

    def __init__(self, path: Path, suffix: str) -> None:
        if suffix not in (".csv", ".parquet"):
            raise DataError(f"The output must end in .csv or .parquet, not '{suffix}'.")
        self._path = path
        self._open = pa.parquet.ParquetWriter if suffix == ".parquet" else pa.csv.CSVWriter
        self._writer: Any = None

    def write(self, batch: pa.RecordBatch) -> None:
        if self._writer is None:
            self._writer = self._open(self._path, batch.schema)
        self._writer.write_batch(batch)

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()
