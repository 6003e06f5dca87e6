"""Cells of declared columns as the numbers that a model takes; the same for training and for scoring."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tabular_model.data.jsonlines import unquoted
from tabular_model.data.numerals import BadText, Numerals, cast, without_missing
from tabular_model.data.place import Batch
from tabular_model.errors import DataError
from tabular_model.schema import Column, Target

TRUE = ("true", "t", "yes", "y", "1", "1.0")  # in any case
FALSE = ("false", "f", "no", "n", "0", "0.0")

Values = NDArray[np.float64]


class _Bad(NamedTuple):
    rows: NDArray[np.intp]
    column: str
    what: str


class Parser:
    """Parses the declared columns of batches, file by file; the content of other columns is ignored.

    Text is taken without blanks around it. Missing are null, NaN and the marks of `numerals.MISSING`. A category is
    the index of its level; numbers are compared with levels as `1`, `2.5`. A boolean is 1 or 0 by the words `TRUE` and
    `FALSE`; a number from 0 to 1 may be written `true` and `false`. Numbers are read as `Numerals` says; infinity is
    refused, as are fractions of integers and missing values of columns that must have one.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = tuple(columns)
        self._numerals = Numerals(",")
        self._file = ""

    def matrix(self, batch: Batch) -> Values:
        """Float64 [n, columns] with NaN for missing.

        BadRows names the first cell that its column does not allow, and tells the rows of all that are found at once:
        what is left without them may have others, of the columns of those.
        """
        if self._file != batch.place.file:
            self._file, self._numerals = batch.place.file, Numerals(batch.place.delimiter)
        cells = [_cells(batch, column.name) for column in self._columns]
        matrix = np.empty((batch.rows.num_rows, len(self._columns)))
        bad: list[_Bad] = []
        written = []  # numbers that are text, which are read together
        for index, (column, cell) in enumerate(zip(self._columns, cells, strict=True)):
            if column.type in ("number", "integer") and pa.types.is_string(cell.type):
                written.append(index)
            else:
                matrix[:, index] = _keep(bad, column, _PARSERS[column.type](column, cell))
        parsed = self._numerals.parse([(self._columns[index], cells[index]) for index in written])
        for index, values in zip(written, parsed, strict=True):
            column = self._columns[index]
            matrix[:, index] = _keep(bad, column, _flags(column, cells[index], values))
        for index, column in enumerate(self._columns):
            bad.extend(_disallowed(column, matrix[:, index]))
        _raise_first(batch, bad)
        return matrix


def target(batch: Batch, declared: Target) -> NDArray[np.int64]:
    """Int64 [n], 1 where the target is as `declared.approved`; DataError on the first value that is neither.

    Values that are numbers may be written in any way, words in any case; where the declared ones are yes and no in
    any of their spellings, all spellings are taken.
    """
    unique = text_of(batch, declared.name, missing=False).dictionary_encode()
    codes = [_decided(value, declared) for value in unique.dictionary.to_pylist()]
    places = unique.indices.fill_null(len(codes)).to_numpy(zero_copy_only=False)
    found: NDArray[np.int64] = np.array([*codes, -1], np.int64)[places]
    if (found < 0).any():
        row = int((found < 0).argmax())
        what = "is missing"
        if text_of(batch, declared.name)[row].is_valid:
            what = f"{_shown(batch, row, declared.name)} is neither {declared.rejected} nor {declared.approved}"
        raise batch.place.bad_cell(row, declared.name, what)
    return found


def text_of(batch: Batch, column: str, missing: bool = True) -> pa.Array:
    """A column as text without blanks around it; where `missing`, the marks of a missing value are null."""
    text = _text(_cells(batch, column))
    return without_missing(text) if missing else pc.utf8_trim_whitespace(text)


def _decided(value: str, declared: Target) -> int:
    """1 for approved, 0 for rejected, -1 for neither; what is written most alike decides."""
    for normal in (str.strip, _numeral, _simplest):
        approved, rejected = normal(declared.approved), normal(declared.rejected)
        yes_and_no = {approved, rejected} == {"0", "1"}
        if approved != rejected and (yes_and_no or normal is not _simplest) and normal(value) in (approved, rejected):
            return int(normal(value) == approved)
    return -1


def _cells(batch: Batch, name: str) -> pa.Array:
    column = batch.rows.column(name)
    try:
        cells = plain(column)
        if pa.types.is_nested(cells.type):
            raise pa.ArrowTypeError
    except pa.ArrowException:
        raise DataError(
            f"{batch.place.file}, column {name}: contains {column.type}, which is not a single value."
        ) from None
    return cells


def plain(column: pa.Array) -> pa.Array:
    """A column without its wrapping: dictionaries decoded, JSON unquoted, text of any width as arrow's plain one."""
    if isinstance(column.type, pa.JsonType):
        return unquoted(column)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_binary(kind):
        return column.cast(pa.string())
    return column


def _text(cells: pa.Array) -> pa.Array:
    """The cells as text; a whole number has no decimals."""
    if pa.types.is_string(cells.type):
        return cells
    if pa.types.is_decimal(cells.type):
        cells = cells.cast(pa.string()).cast(pa.float64())
    return cells.cast(pa.string())


def _number(_: Column, cells: pa.Array) -> Values | BadText:
    kind = cells.type
    if pa.types.is_boolean(kind):
        cells = cells.cast(pa.int8())
    elif pa.types.is_decimal(kind):
        cells = cells.cast(pa.string())  # by which it is rounded right; arrow's own cast may be off by a bit
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or _is_null(kind)):
        known = cells.is_valid().to_numpy(zero_copy_only=False)
        return BadText(np.flatnonzero(known), "is not a number") if known.any() else np.full(len(cells), np.nan)
    return np.asarray(pc.cast(cells, pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def _flags(column: Column, cells: pa.Array, values: Values | BadText) -> Values | BadText:
    """A column of zeros and ones may be written as true and false, as a column of booleans is when it becomes text."""
    if not column.flag or not isinstance(values, BadText):
        return values
    words = _truth(cells, ("true",), ("false",))
    return values if isinstance(words, BadText) else words


def _boolean(_: Column, cells: pa.Array) -> Values | BadText:
    return _truth(cells, TRUE, FALSE)


def _truth(cells: pa.Array, true: tuple[str, ...], false: tuple[str, ...]) -> Values | BadText:
    bare = without_missing(_text(cells))
    found = pc.index_in(pc.utf8_lower(bare), pa.array(true + false))
    if len(unknown := _unknown(found, bare)):
        return BadText(unknown, "is not true or false")
    indices = _float64(found)
    return np.where(np.isnan(indices), np.nan, indices < len(true))


def _category(column: Column, cells: pa.Array) -> Values | BadText:
    levels = pa.array([level.strip() for level in column.levels], pa.string())
    encoded = _text(cells).dictionary_encode()  # each distinct text is looked up once
    found = pc.index_in(pc.utf8_trim_whitespace(encoded.dictionary), levels)
    places: NDArray[np.intp] = encoded.indices.fill_null(len(found)).to_numpy(zero_copy_only=False)
    if found.null_count:
        bare = pc.replace_substring_regex(without_missing(encoded.dictionary), r"^([+-]?\d+)\.0+$", r"\1")
        found = pc.coalesce(found, pc.index_in(bare, levels))
        refused = column.unknown == "refused" or not column.nullable
        if refused and len(unknown := _unknown(found, bare)):
            return BadText(np.flatnonzero(np.isin(places, unknown)), f"is not {column.expected()}")
    codes: Values = np.append(_float64(found), np.nan)
    return codes[places]


_PARSERS: dict[str, Callable[[Column, pa.Array], Values | BadText]] = {
    "number": _number,
    "integer": _number,
    "boolean": _boolean,
    "category": _category,
}


def _keep(bad: list[_Bad], column: Column, parsed: Values | BadText) -> Values | float:
    """The values; those of a column with a bad cell are not needed any more."""
    if isinstance(parsed, BadText):
        bad.append(_Bad(parsed.rows, column.name, parsed.why))
        return 0.0
    return parsed


def _disallowed(column: Column, values: Values) -> list[_Bad]:
    """The values that are infinite, missing, or not whole, where the column does not allow it."""
    found = [(np.isinf(values), "is not finite")]
    if not column.nullable:
        found.append((np.isnan(values), "is missing"))
    if column.whole:
        found.append((~np.isnan(values) & (values != np.rint(values)), "is not a whole number"))
    return [_Bad(np.flatnonzero(mask), column.name, what) for mask, what in found if mask.any()]


def _raise_first(batch: Batch, bad: list[_Bad]) -> None:
    if bad:
        first = min(bad, key=lambda each: each.rows[0])
        row = int(first.rows[0])
        shown = "" if first.what == "is missing" else f"{_shown(batch, row, first.column)} "
        every = np.unique(np.concatenate([each.rows for each in bad])).tolist()
        raise batch.place.bad_cell(row, first.column, shown + first.what, every)


def _shown(batch: Batch, row: int, column: str) -> str:
    """The value as a message shows it: numbers plainly, other text in quotation marks."""
    value = plain(batch.rows.column(column).slice(row, 1))[0].as_py()
    if isinstance(value, str) and cast(pa.array([value.strip()])) is None:
        return repr(value)
    return f"{value:g}" if isinstance(value, float) else str(value).strip()


def _unknown(found: pa.Array, bare: pa.Array) -> NDArray[np.intp]:
    """The cells that have a value and were not found."""
    unknown = found.is_null().to_numpy(zero_copy_only=False) & bare.is_valid().to_numpy(zero_copy_only=False)
    return np.flatnonzero(unknown)


def _float64(indices: pa.Array) -> Values:
    return np.asarray(indices.cast(pa.float64()).to_numpy(zero_copy_only=False))


def _is_null(kind: pa.DataType) -> bool:
    return bool(pa.types.is_null(kind))


def _numeral(value: str) -> str:
    """A number in its shortest form, anything else in lower case."""
    value = value.strip().lower()
    number: Any = cast(pa.array([value]))
    return value if number is None else f"{number[0]:.17g}"


def _simplest(value: str) -> str:
    """As `_numeral`, and all spellings of yes and no alike."""
    value = _numeral(value)
    return "1" if value in TRUE else "0" if value in FALSE else value
