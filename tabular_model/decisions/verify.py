"""Whether the record is as it was written: each part as its successor says, and none missing between them.

A writer that ended without closing its day, because it was killed, leaves its last part without a successor: that
part and what may have followed it cannot be vouched for, and the day is reported as open. Nor can a writer of which
nothing is left be missed, nor, unless its closings are signed, one whose whole chain was written anew: against these a
bucket that forbids to overwrite and delete helps, or the day's digest, kept elsewhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from tabular_model.decisions import links, parts
from tabular_model.decisions.links import Place
from tabular_model.decisions.records import Records
from tabular_model.errors import IntegrityError, RecordError
from tabular_model.manifest import sha256

if TYPE_CHECKING:
    from tabular_model.signing import Trust


class Day(msgspec.Struct, kw_only=True):
    """What was found of one day: `faults` are sentences, `open` the writers that did not close it.

    `digest` is the sha256 over the last object of each writer: whoever has it can tell later that nothing was changed.
    """

    day: date
    parts: int = 0
    rows: int = 0
    faults: list[str] = []
    open: list[str] = []
    digest: str = ""


def verify(records: Records, day: date, protected: Records | None = None, trust: "Trust | None" = None) -> Day:
    """Reads all of the day (UTC); the parts with protected columns are compared where `protected` is their place.

    With `trust`, a day that was closed without the signature of one of its keys is a fault.
    """
    return _Verification(records, protected, trust, day).done()


class _Verification:
    def __init__(self, records: Records, protected: Records | None, trust: "Trust | None", day: date) -> None:
        self._records = records
        self._protected = protected
        self._trust = trust
        self._first = next(iter(records.days()), day)  # the days before it have expired
        self._found = Day(day=day, faults=[], open=[])
        self._seen: dict[str, str] = {}  # name and sha256 of what was read

    def done(self) -> Day:
        found = self._found
        names = self._records.names(found.day)
        places = self._records.parts(found.day)
        closed = {writer: name for name in names if (writer := links.closing_writer(name))}
        writers = sorted({place.writer for place in places} | {*closed})
        signatures = {links.signature_name(found.day, writer) for writer in writers}
        for name in sorted({*names} - {place.name for place in places} - {*closed.values()} - signatures):
            found.faults.append(f"{name} is not a part of the record.")
        heads: list[str] = []
        for writer in writers:
            heads += self._writer(writer, [place for place in places if place.writer == writer], closed.get(writer))
        found.digest = sha256("".join(heads).encode())
        return found

    def _writer(self, writer: str, places: list[Place], closed: str | None) -> Iterator[str]:
        """Checks one writer's parts and its closing, and gives the sha256 of the last of them."""
        last, rows = "", 0
        for place in places:
            with self._faults():
                content = self._records.read(place.name)
                last = self._seen[place.name] = sha256(content)
                link = parts.decode_link(content, place.name)
                if link.name != place.name:
                    raise RecordError(f"{place.name} was written as {link.name}.")
                rows += link.rows
                self._precedes(place.name, link.previous, link.previous_sha256, place.number == 1)
                self._beside(place.name, link.protected)
        self._found.parts += len(places)
        self._found.rows += rows
        if closed is None:
            self._found.open.append(writer)
        else:
            with self._faults():
                content = self._records.read(closed)
                last = self._seen[closed] = sha256(content)
                closing = parts.decode_closing(content, closed)
                if self._trust:
                    signature = self._signature(writer)
                    self._trust.check(closing.signer, content, signature, closed, "days of the record")
                if closing.name != closed:
                    raise RecordError(f"{closed} was written as {closing.name}.")
                self._precedes(closed, closing.previous, closing.previous_sha256, False)
                if (closing.parts, closing.rows) != (len(places), rows):
                    raise RecordError(
                        f"{closed} says that there were {closing.parts} parts with {closing.rows} rows, but "
                        f"{len(places)} with {rows} are there."
                    )
        yield last

    def _signature(self, writer: str) -> bytes | None:
        try:
            return self._records.store.read(links.signature_name(self._found.day, writer))
        except FileNotFoundError:
            return None

    def _precedes(self, name: str, previous: str, expected: str, first: bool) -> None:
        """RecordError unless what `name` follows is there, as it was."""
        if not previous:
            if not first:
                raise RecordError(f"{name} names no predecessor, but is not its writer's first part.")
            return
        if previous not in self._seen:
            try:
                self._seen[previous] = sha256(self._records.read(previous))
            except RecordError:
                day = links.day_of(previous)
                if day and day < self._first:
                    return  # it has expired
                raise RecordError(f"{previous} is missing: {name} was written after it.") from None
        if self._seen[previous] != expected:
            raise RecordError(f"{previous} was changed after {name} was written.")

    def _beside(self, name: str, expected: str) -> None:
        if self._protected and expected and sha256(self._protected.read(name)) != expected:
            raise RecordError(f"{name} in {self._protected.store.url}, the protected columns, was changed.")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Takes what is found as a sentence, so that the next part is looked at too."""
        try:
            yield
        except (RecordError, IntegrityError) as error:
            self._found.faults.append(str(error))
