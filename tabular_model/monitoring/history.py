"""Earlier windows: where their results are kept, and which window comes next."""

import re
from datetime import date, timedelta
from typing import NamedTuple

import msgspec

from tabular_model.decisions.records import Records
from tabular_model.errors import RecordError
from tabular_model.monitor_history import GAUGES, open_history
from tabular_model.monitoring.result import Monitored
from tabular_model.monitoring.textfile import textfile

_NAME = re.compile(r"monitor-(\d{4}-\d\d-\d\d)-(\d{4}-\d\d-\d\d)\.json")


class Window(NamedTuple):
    """From one day to another (UTC), both included."""

    first: date
    last: date

    @classmethod
    def of(cls, records: Records, since: date | None, until: date | None, before: Monitored | None) -> "Window":
        """The days asked for, else those after the window `before`, else all; RecordError where there are none.

        A day of the window before that was not over when that was looked at is looked at again.
        """
        if since is None and before:
            since = min(before.last + timedelta(days=1), before.created.date())
        days = records.days(since, until)
        if not days:
            words = f" from {since or 'the first day'} to {until or 'the last'}" if since or until else ""
            raise RecordError(f"The record {records.store.url} has no decisions{words}.")
        return cls(since or days[0], until or days[-1])


class History:
    """The results of windows in a folder or a bucket, a file for each, and the gauges of the newest."""

    def __init__(self, url: str) -> None:
        """RegistryError if it cannot be used; a folder that is not there is made."""
        self._store = open_history(url, create=True)

    def read(self) -> list[Monitored]:
        """All, the oldest window first; RecordError for one that cannot be read."""
        return [self._decoded(name) for name in self._names()]

    def add(self, result: Monitored) -> None:
        """Keeps it in the place of an earlier result of the same window, and its gauges if no window is newer."""
        name = f"monitor-{result.first}-{result.last}.json"
        self._store.replace(name, result.encode())
        if name == self._names()[-1]:
            self._store.replace(GAUGES, textfile(result).encode())

    def _names(self) -> list[str]:
        """The names of the results, the oldest window first."""
        found = filter(None, map(_NAME.fullmatch, self._store.names()))
        return [each[0] for each in sorted(found, key=lambda each: (each[2], each[1]))]

    def _decoded(self, name: str) -> Monitored:
        try:
            return Monitored.decode(self._store.read(name))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RecordError(f"{name} in the history {self._store.url} is not a result: {error}.") from error
