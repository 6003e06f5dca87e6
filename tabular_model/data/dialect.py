"""How a text file is written: its compression, its encoding, and for CSV its delimiter and column names."""

import codecs
import csv
import io
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from tabular_model.data.source import Part
from tabular_model.errors import DataError

BLOCK = 1 << 20
_SAMPLE = 1 << 16  # characters that are looked at for the delimiter
_DELIMITERS = (",", ";", "\t", "|")
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_SHOWN = 40  # characters of a line that a message shows


class Encoding(NamedTuple):
    """A text file's encoding, what is to be said of it, and whether there is any quotation mark in it."""

    name: str
    note: str
    quotes: bool


class Dialect(NamedTuple):
    """How a CSV file is written. `names` are its columns', one for each cell of a row.

    `header` is the number of lines up to the end of the column names. `trailing` says that each row ends in a
    delimiter, so that the last cell is no value. `empty` says that there are no rows.
    """

    delimiter: str
    names: tuple[str, ...]
    header: int
    trailing: bool
    empty: bool


def opened(path: Path) -> Any:
    """The file's bytes as a stream, decompressed where they are compressed."""
    with path.open("rb") as file:
        start = file.read(4)
    for magic, name in _COMPRESSED.items():
        if start.startswith(magic):
            return pa.CompressedInputStream(pa.OSFile(str(path)), name)
    return pa.OSFile(str(path))


def text(path: Path, encoding: str) -> io.TextIOWrapper:
    """The file's characters, its ends of lines as they are."""
    return io.TextIOWrapper(opened(path), encoding, newline="")


def encoding_of(part: Part) -> Encoding:
    """UTF-16 by its byte order mark or its zeros; UTF-8 where all bytes are; else what Windows and Latin-1 write.

    The whole file is looked at, as one byte far down may decide.
    """
    with opened(part.path) as stream:
        start = stream.read(64)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Encoding("utf-16", "", True)
    if len(start) >= 4 and 0 in start[:4]:
        return Encoding("utf-16-le" if start[1] == 0 else "utf-16-be", "", True)
    quotes, fits = False, {"utf-8-sig": True, "cp1252": True}
    decoders = {name: codecs.getincrementaldecoder(name)() for name in fits}
    with opened(part.path) as stream:
        while block := stream.read(BLOCK):
            quotes = quotes or b'"' in block
            fits = {name: fit and _decodes(decoders[name], block) for name, fit in fits.items()}
    if fits["utf-8-sig"] and _decodes(decoders["utf-8-sig"], b"", final=True):
        return Encoding("utf-8-sig", "", quotes)
    name, words = ("cp1252", "Windows-1252 (Latin-1)") if fits["cp1252"] else ("latin-1", "Latin-1")
    return Encoding(name, f"{part.name} is not UTF-8; it was read as {words}.", quotes)


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes, final: bool = False) -> bool:
    if block.isascii() and decoder.getstate()[0] == b"" and not final:
        return True
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def dialect_of(part: Part, encoding: str) -> Dialect:
    """Detects the delimiter and reads the column names, in the first line that is not empty.

    The delimiter is the one by which most rows have as many cells as the column names. DataError for what is no
    table: nothing at all, a line before the column names, names that stand twice or for other numbers of cells.
    """
    sample, whole = _sample(part, encoding)
    if not sample.strip():
        raise DataError(f"{part.name} is empty; it needs a line of column names, followed by rows.")
    delimiter, (header, *rows) = _split(sample, whole, part.name)
    names = list(header.cells)
    if any(unicodedata.category(letter) == "Cc" and letter not in "\t\r\n" for name in names for letter in name):
        raise DataError(f"{part.name} is not a table: it begins with bytes that are not text.")
    width = _width(rows) if rows else len(names)
    if width > len(names) + (len(names) > 1):
        shown = delimiter.join(names)[:_SHOWN]
        raise DataError(
            f"{part.name}, line {header.line}: {shown!r} cannot be the line of column names, because the rows "
            f"below it have {width} cells; remove the lines before the column names, or put cells with a "
            f"{delimiter!r} in quotation marks."
        )
    trailing = len(names) > 1 and names[-1].strip() == ""
    if width == len(names) + 1 and not trailing:
        if all(row.cells[-1] == "" for row in rows if len(row.cells) == width):
            names, trailing = [*names, ""], True
        elif all(_counts(row.cells[0]) for row in rows if len(row.cells) == width):
            names = ["", *names]  # as pandas and R write rows that are numbered
    _check_names(part, names[:-1] if trailing else names)
    return Dialect(delimiter, tuple(names), header.end, trailing, whole and not rows)


class _Record(NamedTuple):
    cells: list[str]
    line: int
    end: int


def _split(sample: str, whole: bool, name: str) -> tuple[str, list[_Record]]:
    """The delimiter and the records that it makes; spreadsheets may say it in a first line `sep=;`."""
    said = re.match(r'"?sep=([,;\t|])"?[\r\n]', sample)
    if said and (records := _records(sample, said[1], whole)[1:]):
        return said[1], records
    tables = {delimiter: _records(sample, delimiter, whole) for delimiter in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda each: _fit(tables[each]))
    if _fit(tables[delimiter])[1] == 0 and name.lower().endswith((".tsv", ".tab")):
        delimiter = "\t"
    return delimiter, tables[delimiter]


def _sample(part: Part, encoding: str) -> tuple[str, bool]:
    """The beginning of the file up to the end of a line, and whether that is all of it."""
    try:
        with text(part.path, encoding) as stream:
            sample = stream.read(_SAMPLE)
            if not stream.read(1):
                return sample, True
    except UnicodeError:
        raise DataError(f"{part.name} is not a table: it begins as UTF-16 but does not continue as UTF-16.") from None
    return sample[: max(sample.rfind("\n"), sample.rfind("\r")) + 1] or sample, False


def _records(sample: str, delimiter: str, whole: bool) -> list[_Record]:
    """The records that are not empty; the last of a sample may be cut within quotes, and is left out."""
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    records: list[_Record] = []
    line = 0
    try:
        for cells in reader:
            if cells:
                records.append(_Record(cells, line + 1, reader.line_num))
            line = reader.line_num
    except csv.Error:
        pass  # what cannot be split here is for the reader of the rows to say
    return records if whole or len(records) < 3 else records[:-1]


def _fit(records: list[_Record]) -> tuple[float, int]:
    """How well a delimiter fits: the share of the rows with as many cells as the names, or one more; then the cells."""
    if not records:
        return 0.0, 0
    width, rows = len(records[0].cells), records[1:]
    if not rows:
        return (1.0, width) if width > 1 else (0.0, 0)
    usual = _width(rows)
    share = sum(len(row.cells) == usual for row in rows) / len(rows)
    if usual < 2:
        return 0.0, 0
    if usual != width:
        share -= 0.25 if usual == width + 1 > 2 else 0.5
    return share, usual


def _width(rows: list[_Record]) -> int:
    return Counter(len(row.cells) for row in rows).most_common(1)[0][0]


def _counts(cell: str) -> bool:
    return cell.strip().isdecimal()


def _check_names(part: Part, names: list[str]) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        shown = ", ".join(name or "(unnamed)" for name in twice)
        raise DataError(f"{part.name} has the column {shown} more than once; column names must be unique.")
