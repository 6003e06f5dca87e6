"""Numbers as people write them: decimal points and commas, thousands separators, the marks of a missing value."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tabular_model.schema import Column

MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none", "-", "?", ".")  # in any case, with blanks around

Style = Literal["point", "comma"]

_GROUPED_BY_BLANKS = r"^[+-]?\d{1,3}([ '’\x{00A0}\x{202F}]\d{3})+([.,]\d+)?$"
_UNSURE = r"^[+-]?[1-9]\d{0,2},\d{3}$"  # 56,989
_COMMA = r"^[+-]?(\d*,\d+|\d+,|\d{1,3}(\.\d{3})+,\d*|\d{1,3}(\.\d{3}){2,})$"  # 56,9  1.234,56  1.234.567
_GROUPS = r"^[+-]?(\d{1,3}(,\d{3})+\.\d*|\d{1,3}(,\d{3}){2,})$"  # 1,234.56  1,234,567
_POINT = r"^[+-]?\d*\.\d*([eE][+-]?\d+)?$"
_DOTTED = r"^[+-]?[1-9]\d{0,2}\.\d{3}$"  # 1.234, which is 1234 among decimal commas


class BadText(NamedTuple):
    """The rows of a column's cells that are no numbers, ascending, and why."""

    rows: NDArray[np.intp]
    why: str


Parsed = NDArray[np.float64] | BadText


class Numerals:
    """How the numbers of one file are written, decided for each column and kept to the file's end.

    A column has decimal points or decimal commas. A comma is a decimal comma where it cannot part thousands (`56,9`,
    `0,125`, `1.234,56`); it parts thousands where it cannot be decimal (`1,234,567`, `1,234.5`). A column in which
    every comma could be either (`56,989`) follows, in this order: the other columns of the file, if they agree; the
    delimiter, as in a file with commas between its cells a comma within a cell parts thousands; the type, as a
    fraction is no integer; the declared range, where only one reading lies within it. What is still unsure, or written
    in both ways in one column, is refused. A column in which every point could part thousands (`56.989`) follows the
    others, too, and has decimal points where they do not all have decimal commas, as computers write numbers so.
    Blanks and apostrophes between groups of three digits part thousands.
    """

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._styles: dict[str, Style] = {}

    def parse(self, cells: Sequence[tuple[Column, pa.Array]]) -> list[Parsed]:
        """Float64 of each column's text, NaN for missing; a batch at a time, as earlier ones bind later ones."""
        parsed: list[Parsed | _Odd] = [self._plain(column.name, text) for column, text in cells]
        for (column, _), each in zip(cells, parsed, strict=True):
            if isinstance(each, _Odd):
                self._learn(column.name, each)
        return [
            self._odd(column, each) if isinstance(each, _Odd) else each
            for (column, _), each in zip(cells, parsed, strict=True)
        ]

    def _plain(self, name: str, text: pa.Array) -> "Parsed | _Odd":
        """The values where all are written alike, which is almost always and takes no look at each."""
        dots = self._styles.get(name) != "point" and pc.any(pc.match_substring(text, ".")).as_py()
        if self._styles.get(name) == "comma":
            if dots:
                return _Odd(text)
            text = pc.replace_substring(text, ",", ".")
        for attempt in (text, pc.if_else(pc.equal(text, ""), None, text)):
            if (values := cast(attempt)) is not None:
                if dots and _all_dotted(text):
                    return _Odd(text)
                if dots:
                    self._styles[name] = "point"
                return values
        return _Odd(text)

    def _learn(self, name: str, odd: "_Odd") -> None:
        """Takes a column's style from its first cell that allows of one only."""
        if name in self._styles:
            return
        point, comma = _first(odd.point), _first(odd.comma)
        if point < comma:
            self._styles[name] = "point"
        elif comma < point:
            self._styles[name] = "comma"

    def _odd(self, column: Column, odd: "_Odd") -> Parsed:
        style = self._styles.get(column.name) or self._guess(column, odd)
        if style is None:
            unsure = np.flatnonzero(odd.unsure)
            return BadText(unsure, "is ambiguous: it can be read with a decimal comma or with a thousands separator")
        if odd.unsure.any() or odd.dotted.any():
            self._styles[column.name] = style
        if (other := odd.comma if style == "point" else odd.point).any():
            return BadText(np.flatnonzero(other), f"is not a number with a decimal {style}")
        return odd.values(style)

    def _guess(self, column: Column, odd: "_Odd") -> Style | None:
        if len(others := set(self._styles.values())) == 1:
            return others.pop()
        if self._delimiter in (",", "") or column.whole or not odd.unsure.any():
            return "point"
        fitting: list[Style] = []
        for style in ("point", "comma"):
            values = odd.values(style)
            if isinstance(values, BadText) or column.range is None:
                continue
            known = values[~np.isnan(values)]
            if (known >= column.range[0]).all() and (known <= column.range[1]).all():
                fitting.append(style)
        return fitting[0] if len(fitting) == 1 else None


class _Odd:
    """A column's text that arrow does not take as numbers, without blanks around and with null for missing."""

    def __init__(self, text: pa.Array) -> None:
        bare = without_missing(text)
        grouped = pc.match_substring_regex(bare, _GROUPED_BY_BLANKS)
        if pc.any(grouped).as_py():
            bare = pc.if_else(grouped, pc.replace_substring_regex(bare, r"[ '’\x{00A0}\x{202F}]", ""), bare)
        self._bare = bare
        self.unsure = _matches(bare, _UNSURE)
        self.comma = _matches(bare, _COMMA) & ~self.unsure
        self.dotted = _matches(bare, _DOTTED)
        self.point = (_matches(bare, _POINT) | _matches(bare, _GROUPS)) & ~self.dotted

    def values(self, style: Style) -> Parsed:
        """The numbers, read in one style."""
        commas = self.unsure | self.point
        text = self._bare
        if style == "comma":
            commas = self.unsure | self.comma | self.dotted
            text = pc.if_else(pa.array(commas), pc.replace_substring(text, ".", ""), text)
            text = pc.if_else(pa.array(commas), pc.replace_substring(text, ",", "."), text)
        else:
            text = pc.if_else(pa.array(commas), pc.replace_substring(text, ",", ""), text)
        values = cast(text)
        return BadText(_broken(text), "is not a number") if values is None else values


def without_missing(text: pa.Array) -> pa.Array:
    """The text without blanks around it, and null for the marks of a missing value."""
    bare = pc.utf8_trim_whitespace(text)
    return pc.if_else(pc.is_in(pc.utf8_lower(bare), pa.array(MISSING)), None, bare)


def cast(text: pa.Array) -> NDArray[np.float64] | None:
    """Text as float64, NaN for null; None where any is not a number as computers write it."""
    try:
        return np.asarray(pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False))
    except pa.ArrowInvalid:
        return None


def _all_dotted(text: pa.Array) -> bool:
    """Whether every point in the column could part thousands."""
    dots = pc.match_substring(text, ".")
    return bool(pc.all(pc.match_substring_regex(text.filter(dots), _DOTTED)).as_py())


def _broken(text: pa.Array) -> NDArray[np.intp]:
    """The cells that do not cast; each different text is looked at once."""
    different = text.dictionary_encode()
    broken = pa.array(_broken_among(different.dictionary, 0), pa.int32())
    return np.flatnonzero(pc.is_in(different.indices, broken).to_numpy(zero_copy_only=False))


def _broken_among(text: pa.Array, first: int) -> list[int]:
    """The places of those that do not cast, counted from `first`, by halves."""
    if cast(text) is not None:
        return []
    if len(text) == 1:
        return [first]
    half = len(text) // 2
    return _broken_among(text[:half], first) + _broken_among(text[half:], first + half)


def _matches(text: pa.Array, pattern: str) -> NDArray[np.bool_]:
    return np.asarray(pc.match_substring_regex(text, pattern).fill_null(False).to_numpy(zero_copy_only=False))


def _first(mask: NDArray[np.bool_]) -> int:
    """The first place that is so; the length where none is."""
    return int(mask.argmax()) if mask.any() else len(mask)
