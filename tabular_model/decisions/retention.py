"""How long the record is kept: whole days, and those under EU law for six months at least."""

from collections.abc import Iterator
from datetime import date, timedelta

from tabular_model.decisions import links, parts
from tabular_model.decisions.records import Records
from tabular_model.errors import RecordError

# Regulation (EU) 2024/1689, articles 19 and 26: logs are kept for six months at least, and no six months are longer.
SIX_MONTHS = 184


def expired(records: Records, days: int, today: date) -> list[date]:
    """The days (UTC) that are older than `days` days.

    RecordError, and so nothing is to be deleted, if one of them is younger than six months and was decided by a version
    whose declaration names EU law.
    """
    old = records.days(until=today - timedelta(days=days + 1))
    for day in old:
        if (today - day).days <= SIX_MONTHS:
            _check_law(records, day)
    return old


def delete(records: Records, day: date) -> int:
    """Deletes all of a day and says how many objects that were; the closings last, so that it can be done again."""
    names = sorted(records.names(day), key=lambda name: links.closing_writer(name) is not None)
    if names:
        records.store.delete(names)
    return len(names)


def _check_law(records: Records, day: date) -> None:
    for version in _under_eu_law(records, day):
        raise RecordError(
            f"The record of {day} has decisions by {version}, whose declaration says that EU law applies: it must be "
            f"kept for six months; give {SIX_MONTHS} days or more."
        )


def _under_eu_law(records: Records, day: date) -> Iterator[str]:
    for place in records.parts(day):
        if "eu" in parts.decode_link(records.read(place.name), place.name).law:
            yield place.version
