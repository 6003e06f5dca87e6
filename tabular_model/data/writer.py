"""Write rows with answers beside them, in any of the formats that are read but Excel."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from tabular_model.data.cells import plain
from tabular_model.data.reader import Rows
from tabular_model.data.source import STANDARD
from tabular_model.errors import DataError, first_line

SEPARATOR = "|"  # between the elements of a list in CSV
_COMPRESSION = {".gz": "gzip", ".zst": "zstd"}
_json = msgspec.json.Encoder(decimal_format="number").encode


class Writer(Protocol):
    """Takes batches of one schema."""

    def write(self, rows: pa.RecordBatch) -> None:
        """Appends the rows, whose schema is the one that the writer was made with."""

    def close(self) -> None:
        """Writes what the format needs after the last row; also called after an error."""


@contextmanager
def writing(target: str, schema: pa.Schema, source: Rows, overwrite: bool = False) -> Iterator[Writer]:
    """A writer to the file `target`, whose ending says the format, or of CSV to standard output for `-`.

    The file appears under its name when all is written, and not at all after an error. DataError if it exists
    already, unless `overwrite`; where it is one of the files that `source` reads, in any case; and for an ending that
    is not known or a column that the format cannot hold.
    """
    make, compression = _format(target)
    path = Path(target).resolve()
    unfinished = path.with_name(path.name + ".part")
    if target != STANDARD:
        _check_place(target, path, unfinished, source, overwrite)
    try:
        with ExitStack() as stack:
            stream: Any = sys.stdout.buffer if target == STANDARD else stack.enter_context(unfinished.open("wb"))
            if compression:
                stream = stack.enter_context(pa.CompressedOutputStream(stream, compression))
            writer = make(stream, schema)
            stack.callback(writer.close)  # also after an error, while the stream is still open
            yield writer
        if target == STANDARD:
            stream.flush()
        else:
            unfinished.replace(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"The output {target} cannot be written: {first_line(error)}.") from None
    finally:
        if target != STANDARD:
            unfinished.unlink(missing_ok=True)


def _format(target: str) -> tuple[Callable[[IO[bytes], pa.Schema], Writer], str]:
    """What writes the format that the name ends in, and its compression."""
    if target == STANDARD:
        return Csv, ""
    suffixes = [suffix.lower() for suffix in Path(target).suffixes]
    compression = _COMPRESSION.get(suffixes[-1], "") if suffixes else ""
    suffix = suffixes[-2 if compression else -1] if len(suffixes) > bool(compression) else ""
    make = _WRITERS.get(suffix)
    if make is None or (compression and make not in (Csv, JsonLines)) or "://" in target:
        raise DataError(
            f"The output must be a file that ends in .csv, .csv.gz, .csv.zst, .jsonl, .parquet or .feather, "
            f"or - for standard output, not {target}."
        )
    return make, compression


def _check_place(target: str, path: Path, unfinished: Path, source: Rows, overwrite: bool) -> None:
    for part in source.files:
        for written in (path, unfinished):
            if written.exists() and written.samefile(part.path):
                raise DataError(f"The output {target} is the input {part.name}; choose another file.")
    if path.is_relative_to(Path(source.source).resolve()) and Path(source.source).is_dir():
        raise DataError(f"The output {target} is in the folder of the input; choose another location.")
    if path.exists() and not path.is_file():
        raise DataError(f"The output {target} exists and is not a file; choose another name.")
    if path.exists() and not overwrite:
        raise DataError(f"The output {target} already exists; choose another name, or use --overwrite.")


class Csv:
    """Commas, UTF-8, and quotation marks around those cells alone that need them."""

    def __init__(self, stream: IO[bytes], schema: pa.Schema) -> None:
        self._stream = stream
        for field in schema:
            if pa.types.is_nested(field.type) and not _is_list_of_text(field.type):
                raise DataError(
                    f"The column {field.name} contains {field.type}, which CSV cannot represent; write Parquet."
                )
        names = [pa.array([name], pa.string()) for name in schema.names]
        self._write_lines(names)

    def write(self, rows: pa.RecordBatch) -> None:
        """A list of texts becomes one cell, its elements separated by `|`; null becomes an empty cell."""
        self._write_lines([_as_text(column) for column in rows.columns])

    def close(self) -> None:
        """Does nothing: CSV has no footer, and the stream belongs to the caller."""

    def _write_lines(self, columns: list[pa.Array]) -> None:
        if len(columns[0]) == 0:
            return
        cells = [_quoted(column) for column in columns]
        if len(cells) == 1:  # where an empty line would be no row
            cells = [pc.if_else(pc.equal(cells[0], ""), '""', cells[0])]
        lines = pc.binary_join_element_wise(*cells, ",")
        text = pc.binary_join_element_wise(lines, "", "\n")
        begin, end = text.offset, text.offset + len(text)
        offsets = memoryview(text.buffers()[1]).cast("B").cast("i")
        self._stream.write(memoryview(text.buffers()[2])[offsets[begin] : offsets[end]])


class JsonLines:
    """One object a line."""

    def __init__(self, stream: IO[bytes], schema: pa.Schema) -> None:
        self._stream = stream
        keys = [_json(name) + b":" for name in schema.names]
        self._before = [b"{" + keys[0], *(b"," + key for key in keys[1:])]

    def write(self, rows: pa.RecordBatch) -> None:
        """Values of arrow's JSON type are written as they are, and null as null, so that each object has all keys."""
        columns = [
            [key + value for value in _as_json(column)] for key, column in zip(self._before, rows.columns, strict=True)
        ]
        self._stream.write(b"".join(b"".join(cells) + b"}\n" for cells in zip(*columns, strict=True)))

    def close(self) -> None:
        """Does nothing: JSON lines have no footer, and the stream belongs to the caller."""


class Parquet:
    """Columns keep their types; JSON becomes text."""

    def __init__(self, stream: IO[bytes], schema: pa.Schema) -> None:
        self._schema = pa.schema(
            [field.with_type(pa.string()) if isinstance(field.type, pa.JsonType) else field for field in schema],
            schema.metadata,
        )
        self._writer = self._open(stream)

    def _open(self, stream: IO[bytes]) -> Any:
        return pa.parquet.ParquetWriter(stream, self._schema)

    def write(self, rows: pa.RecordBatch) -> None:
        """Converts first the columns whose type the format does not keep, such as JSON to text."""
        columns = [
            plain(column) if column.type != field.type else column
            for column, field in zip(rows.columns, self._schema, strict=True)
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        """Writes the footer, without which no reader can open the file."""
        self._writer.close()


class Feather(Parquet):
    """An Arrow file; dictionaries, which would have to be the same in each batch, become their values."""

    def _open(self, stream: IO[bytes]) -> Any:
        self._schema = pa.schema(
            [
                field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
                for field in self._schema
            ],
            self._schema.metadata,
        )
        return pa.ipc.new_file(stream, self._schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))


_WRITERS: dict[str, Callable[[IO[bytes], pa.Schema], Writer]] = {
    ".csv": Csv,
    ".jsonl": JsonLines,
    ".ndjson": JsonLines,
    ".parquet": Parquet,
    ".pq": Parquet,
    ".feather": Feather,
    ".arrow": Feather,
}


def _as_text(column: pa.Array) -> pa.Array:
    if _is_list_of_text(column.type):
        return pc.binary_join(column, SEPARATOR)
    return plain(column).cast(pa.string())


def _quoted(text: pa.Array) -> pa.Array:
    text = text.fill_null("")
    stored = text.buffers()[2]
    characters = stored.to_pybytes() if stored else b""
    if not any(mark in characters for mark in (b",", b'"', b"\r", b"\n")):  # quicker than a look at each cell
        return text
    special = pc.match_substring_regex(text, '[,"\r\n]')
    doubled = pc.replace_substring(text, '"', '""')
    return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), text)


def _as_json(column: pa.Array) -> list[bytes]:
    if isinstance(column.type, pa.JsonType):
        return [b"null" if value is None else value.encode() for value in column.storage.to_pylist()]
    return [_json(value) for value in column.to_pylist()]


def _is_list_of_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) and pa.types.is_string(kind.value_type))
