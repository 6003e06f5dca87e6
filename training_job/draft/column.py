"""How one column of the data is declared, or why it is left out."""

import math
import re
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tabular_model.data.cells import FALSE, TRUE
from tabular_model.declaration_rules import MOST_LEVELS, OUTPUTS
from tabular_model.schema import Column
from training_job.draft import words
from training_job.draft.profile import Profile

FEWEST = 20  # values that a column needs to be learned from
_FEW_LEVELS = 50
_DENSE = 50  # rows a level, where there are more than those
_UNIQUE = 0.95  # share of different values
_FAR = 5  # times the width of all other values
_WORDS = set(TRUE + FALSE) - {"1", "0", "1.0", "0.0"}
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}([-/.]\d{1,2}([T ].*)?)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}( .*)?|[A-Za-z]{3}-\d{2,4}"
)
_DAYS = (19_000_101, 21_001_231)  # days written as numbers
_CODE = re.compile(r"[+-]?0\d+")  # a number with a leading zero is a code
_AGES = (25, 35, 45, 55, 62)  # 62: "elderly" in US Regulation B


class Drafted(NamedTuple):
    """A declared column with notes on what to decide, or None with the reason why it is left out.

    `role` says what a column that is left out could be used for: the time, or the group of its rows.
    """

    column: Column | None
    notes: list[str]
    role: str = ""


def declare(profile: Profile) -> Drafted:
    """The column as its values and its name suggest."""
    left_out = _unusable(profile) or _date(profile) or _other_type(profile) or _identity(profile) or _nothing(profile)
    if left_out:
        return left_out
    declared = _typed(profile)
    if declared.column is None:
        return declared
    values: dict[str, Any] = {"missing": profile.missing > 0}
    notes = declared.notes
    if profile.missing:
        notes.append(f"{_share(profile.missing / profile.rows)} of the rows have no value")
    if words.protected(profile.name):
        values |= {"protected": True, "bands": _bands(profile, declared.column)}
        notes.append("its name suggests protection by law, so by default no model is trained on it: please decide")
    return Drafted(_with(declared.column, values), notes)


def _unusable(profile: Profile) -> Drafted | None:
    if not profile.name.strip():
        return Drafted(None, ["it has no name and is assumed to be the row number"])
    if not profile.name.isprintable():
        return Drafted(None, ["its name contains a control character"])
    if profile.name in OUTPUTS:
        return Drafted(None, ["its name is reserved for an output"])
    if profile.present < FEWEST:
        return Drafted(
            None,
            [f"only {profile.present} rows have a value" if profile.present else "none of its values can be read"],
        )
    if profile.number and profile.infinite:
        return Drafted(None, ["it contains infinity, which no model accepts; correct the data"])
    return None


def _date(profile: Profile) -> Drafted | None:
    if not _is_date(profile):
        return None
    if words.birth(profile.name) or words.age(profile.name):
        return Drafted(None, ["a date of birth; replace it in the data by the age, which is protected"])
    return Drafted(None, ["a date; as time it can make the newest rows the holdout"], "time")


def _is_date(profile: Profile) -> bool:
    if pa.types.is_date(profile.type) or pa.types.is_timestamp(profile.type):
        return True
    if profile.number:
        days = profile.whole and _DAYS[0] <= profile.low and profile.high <= _DAYS[1]
        return bool(days and _days(profile.sampled()))
    shown = profile.shown()
    return bool(shown) and all(_DATE.fullmatch(value) for value in shown)


def _days(values: np.ndarray) -> bool:
    known = values[~np.isnan(values)]
    month, day = known // 100 % 100, known % 100
    return bool(((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all())


def _other_type(profile: Profile) -> Drafted | None:
    if profile.number or pa.types.is_string(profile.type) or pa.types.is_boolean(profile.type):
        return None
    return Drafted(None, [f"of type {profile.type}, which cannot be an input of a model"])


def _identity(profile: Profile) -> Drafted | None:
    """Row numbers, ids, and ids that several rows share."""
    text = not profile.number
    if text and pa.types.is_boolean(profile.type):
        return None
    if profile.number and profile.whole and _counts_rows(profile):
        return Drafted(None, ["it contains only row numbers"])
    if not (profile.whole or text):
        return None
    codes = _has_codes(profile)
    if profile.distinct >= _UNIQUE and (text or codes or words.identifier(profile.name)):
        return Drafted(None, ["an id or free text: it differs in nearly every row"])
    if words.identifier(profile.name) and profile.distinct > 0.1:
        return Drafted(
            None, ["an id that several rows share; as group it can keep them on one side of a split"], "group"
        )
    return None


def _counts_rows(profile: Profile) -> bool:
    consecutive = profile.high - profile.low + 1 == profile.rows and not profile.missing
    steps = np.diff(profile.sampled())
    return consecutive and profile.rows > 2 and (words.row_number(profile.name) or bool((steps > 0).all()))


def _nothing(profile: Profile) -> Drafted | None:
    single = profile.low == profile.high if profile.number else len(profile.values) == 1
    if single:
        shown = f"{profile.low:g}" if profile.number else repr(profile.values[0])
        return Drafted(None, [f"it is always {shown}" + (" where it has a value" if profile.missing else "")])
    return None


def _typed(profile: Profile) -> Drafted:
    name = profile.name
    if pa.types.is_boolean(profile.type) or _is_yes_or_no(profile):
        said = {value.lower() for value in profile.values} - {"true", "false"}
        note = [f"{' and '.join(profile.values)} in the data; requests use true and false"] if said else []
        return Drafted(Column(name=name, type="boolean"), note)
    if profile.number and not _has_codes(profile):
        low, high = readable(profile.low, profile.high, whole=profile.whole)
        column = Column(name=name, type="integer" if profile.whole else "number", range=(low, high))
        return Drafted(column, _oddities(profile))
    if profile.values and (len(profile.values) <= _FEW_LEVELS or profile.present >= _DENSE * len(profile.values)):
        return Drafted(Column(name=name, type="category", levels=profile.values), _categories(profile))
    count = str(len(profile.values)) if profile.values else f"more than {MOST_LEVELS}"
    odd = f"; not all are numbers: {profile.odd!r}" if profile.odd and _mostly_numbers(profile) else ""
    return Drafted(None, [f"text with {count} different values, too many for a category{odd}"])


def _is_yes_or_no(profile: Profile) -> bool:
    values = {value.lower() for value in profile.values}
    return len(values) == 2 and values <= _WORDS and len(values & set(TRUE)) == 1


def _has_codes(profile: Profile) -> bool:
    return profile.number and any(_CODE.fullmatch(value) for value in profile.shown())


def _mostly_numbers(profile: Profile) -> bool:
    shown = profile.shown()
    return sum(value[:1].isdigit() for value in shown) > len(shown) / 2


def _categories(profile: Profile) -> list[str]:
    if any(value.replace(".", "", 1).isdigit() for value in profile.values):
        return ["some levels are numbers; is it a number whose other values mean missing?"]
    return []


def _oddities(profile: Profile) -> list[str]:
    values = profile.sampled()
    values = np.unique(np.append(values[~np.isnan(values)], (profile.low, profile.high)))
    below, above = np.diff(values[:2]).item(), np.diff(values[-2:]).item()
    notes = [
        f"{end:g} is far from all other values: is it an error, or a code for missing?"
        for end, gap in ((values[0], below), (values[-1], above))
        if len(values) > 2 and gap > _FAR * (values[-1] - values[0] - gap)
    ]
    if profile.whole and profile.distinct >= _UNIQUE:
        notes.append("it differs in nearly every row; if it is an id, move it to ignored")
    return notes


def readable(low: float, high: float, *, whole: bool) -> tuple[float, float]:
    """A range rounded outwards to two digits of its width: 18.3 to 68.9 is 18 to 69."""
    digits = math.floor(math.log10(high - low)) - 1
    digits = max(digits, 0) if whole else digits
    unit, parts = 10.0 ** max(digits, 0), 10.0 ** max(-digits, 0)
    ends = (math.floor(low / unit * parts) * unit / parts, math.ceil(high / unit * parts) * unit / parts)
    return float(f"{ends[0]:.15g}"), float(f"{ends[1]:.15g}")


def _bands(profile: Profile, column: Column) -> tuple[float, ...]:
    """Ages as they are usually compared, quarters of the rows otherwise."""
    if column.range is None:
        return ()
    low, high = column.range
    if words.age(profile.name) and low >= 0 and high <= 130:
        return tuple(float(age) for age in _AGES if low < age < high)
    known = profile.sampled()
    known = known[np.isfinite(known)]
    edges = {float(f"{edge:.3g}") for edge in np.quantile(known, [0.25, 0.5, 0.75])}
    return tuple(sorted(edge for edge in edges if low < edge < high)) or ((high,) if column.flag else ())


def _with(column: Column, values: dict[str, Any]) -> Column:
    return Column(**({field: getattr(column, field) for field in column.__struct_fields__} | values))


def _share(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "under 0.1%"
