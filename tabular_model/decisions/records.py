"""The record as it lies in a folder or a bucket: its days, the parts of a day, and what is in them."""

from collections.abc import Iterator, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from tabular_model.decisions import links, parts
from tabular_model.decisions.links import Link, Place
from tabular_model.decisions.store import open_store
from tabular_model.errors import RecordError, RegistryNotFound
from tabular_model.storage import Objects

NAMES = ("id", "record", "request_id")  # by any of which a decision is asked for


class Records:
    """Reads the record under one root; `store` is where its objects are."""

    def __init__(self, store: Objects) -> None:
        self.store = store

    @classmethod
    def open(cls, url: str) -> "Records":
        """A folder or a bucket's URL; RecordError if the folder is not there, RegistryError if it cannot be read."""
        try:
            return cls(open_store(url))
        except RegistryNotFound:
            raise RecordError(f"There is no record at {url}.") from None

    def days(self, since: date | None = None, until: date | None = None) -> list[date]:
        """The days (UTC) of which there is anything, ascending, from `since` to `until`, both included."""
        found = [day for name in self.store.names() if (day := links.day_of(name))]
        return sorted(day for day in found if (not since or day >= since) and (not until or day <= until))

    def parts(self, day: date) -> list[Place]:
        """The parts of a day, by writer and number."""
        places = [place for name in self.names(day) if (place := Place.parse(name))]
        return sorted(places, key=lambda place: (place.writer, place.number))

    def names(self, day: date) -> list[str]:
        """The names of all objects of a day."""
        folder = f"date={day}"
        return [
            f"{folder}/{each}/{name}"
            for each in self.store.names(folder)
            for name in self.store.names(f"{folder}/{each}")
        ]

    def read(self, name: str) -> bytes:
        """The bytes of an object; RecordError if it is gone."""
        try:
            return self.store.read(name)
        except FileNotFoundError:
            raise RecordError(f"{name} is missing from the record {self.store.url}.") from None

    def tables(
        self, columns: Sequence[str], since: date | None = None, until: date | None = None
    ) -> Iterator[pa.Table]:
        """These columns of the decisions of some days, part by part; RecordError for a part that cannot be read."""
        for day in self.days(since, until):
            for place in self.parts(day):
                yield parts.decode_columns(self.read(place.name), place.name, list(columns))

    def find(
        self, name: str, since: date | None = None, until: date | None = None
    ) -> Iterator[tuple[Place, Link, pa.Table]]:
        """The parts with rows of this name, their links and these rows; the name is the caller's or the record's."""
        for day in self.days(since, until):
            for place in self.parts(day):
                content = self.read(place.name)
                names = parts.decode_columns(content, place.name, list(NAMES))
                if _named(names, name).num_rows:
                    link, rows = parts.decode(content, place.name)
                    yield place, link, _named(rows, name)


def _named(table: pa.Table, name: str) -> pa.Table:
    matches = [pc.equal(table[column], name).combine_chunks().fill_null(False) for column in NAMES]
    return table.filter(pc.or_(pc.or_(matches[0], matches[1]), matches[2]))
