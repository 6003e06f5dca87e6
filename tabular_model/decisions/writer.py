"""One process's part of the record: decisions in, chained parts out."""

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from arro3.core import RecordBatch, Table
from arro3.io import write_parquet
from msgspec import UNSET

from tabular_model.decisions import links
from tabular_model.decisions.links import Closing, Link, Place
from tabular_model.decisions.made import Made
from tabular_model.decisions.rows import Rows
from tabular_model.errors import RecordError
from tabular_model.manifest import Manifest, sha256
from tabular_model.storage import Objects

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from tabular_model.signing import Signer

_GROUP_ROWS = 5_000


class _Buffered(NamedTuple):
    """Rows of one day and version that are in no part yet."""

    manifest: Manifest
    whole: list[RecordBatch]
    protected: list[RecordBatch]


class _Ready(NamedTuple):
    """What is to be written; its bytes are final, because its successor has their sha256."""

    name: str
    content: bytes
    protected: bytes | None
    rows: int


class Writer:
    """Collects decisions, cuts them into parts and writes those in order; not for several threads.

    `name` is of this process alone. Protected columns are kept only where there is a store for them, and days are
    signed where there is a signer.
    """

    def __init__(self, records: Objects, protected: Objects | None, name: str, signer: "Signer | None" = None) -> None:
        self._records = records
        self._protected = protected
        self._name = name
        self._signer = signer
        self._day = date.min
        self._buffer: dict[str, _Buffered] = {}
        self._ready: deque[_Ready] = deque()
        self._last = ("", "")  # name and sha256
        self._number = self._rows = 0  # of all parts, and of all rows that were added
        self._today = (0, 0)  # parts and rows
        self.buffered = 0

    def add(self, made: Sequence[Made]) -> None:
        """Takes decisions in the order in which they were made; the day of the last one closes those before it."""
        days: dict[date, dict[str, list[Made]]] = {}
        for each in made:
            # A clock that is set back does not open a day again: the row has its own time.
            versions = days.setdefault(max(each.time.date(), self._day), {})
            versions.setdefault(each.manifest.version, []).append(each)
        for day in sorted(days):
            self.turn(day)
            for of_version in days[day].values():
                self._add(of_version)

    def turn(self, day: date) -> None:
        """Closes the day before if `day` (UTC) is a later one."""
        if day > self._day:
            self.close()
            self._day = day

    def cut(self) -> None:
        """Makes parts of what is buffered."""
        for buffered in self._buffer.values():
            self._ready.append(self._part(buffered))
        self._buffer.clear()
        self.buffered = 0

    def close(self) -> None:
        """Ends the day with all that is buffered, if anything was decided in it."""
        self.cut()
        count, total = self._today
        if count:
            closing = Closing(
                name=links.closing_name(self._day, self._name),
                parts=count,
                rows=total,
                previous=self._last[0],
                previous_sha256=self._last[1],
                signer=self._signer.fingerprint if self._signer else UNSET,
            )
            content = msgspec.json.encode(closing)
            if self._signer:  # before the closing, which so is never there without it
                signature = self._signer.sign(content)
                self._ready.append(_Ready(links.signature_name(self._day, self._name), signature, None, 0))
            self._ready.append(_Ready(closing.name, content, None, 0))
            self._last = closing.name, sha256(content)
            self._today = 0, 0

    def write(self) -> Iterator[int]:
        """Writes what is ready, and yields the rows of each part; after a RegistryError it may be called again."""
        while self._ready:
            ready = self._ready[0]
            if ready.protected is not None and self._protected:
                _create(self._protected, ready.name, ready.protected)
            _create(self._records, ready.name, ready.content)
            self._ready.popleft()
            yield ready.rows

    @property
    def unwritten(self) -> int:
        """The rows that are buffered or ready."""
        return self.buffered + sum(ready.rows for ready in self._ready)

    def _add(self, made: Sequence[Made]) -> None:
        manifest = made[0].manifest
        rows = Rows(made, self._name, self._rows)
        buffered = self._buffer.setdefault(manifest.version, _Buffered(manifest, [], []))
        buffered.whole.append(rows.whole)
        if rows.protected and self._protected:
            buffered.protected.append(rows.protected)
        self._rows += rows.count
        self.buffered += rows.count

    def _part(self, buffered: _Buffered) -> _Ready:
        manifest = buffered.manifest
        self._number += 1
        rows = sum(batch.num_rows for batch in buffered.whole)
        beside = encode(buffered.protected) if buffered.protected else None
        link = Link(
            name=Place(self._day, manifest.version, self._name, self._number).name,
            rows=rows,
            previous=self._last[0],
            previous_sha256=self._last[1],
            manifest=manifest.digest,
            protected=sha256(beside) if beside else "",
            law=() if manifest.law is UNSET else manifest.law,
        )
        content = encode(buffered.whole, {links.KEY: msgspec.json.encode(link).decode()})
        self._last = link.name, sha256(content)
        count, total = self._today
        self._today = count + 1, total + rows
        return _Ready(link.name, content, beside, rows)


def encode(batches: Sequence[RecordBatch], metadata: dict[str, str] | None = None) -> bytes:
    """A file of Parquet with all rows."""
    content = _Content()
    write_parquet(
        Table.from_batches(batches),
        content,
        compression="zstd(1)",
        dictionary_enabled=False,  # most values come once
        key_value_metadata=metadata,
        max_row_group_size=_GROUP_ROWS,
        skip_arrow_metadata=True,  # beside which PyArrow would not show the metadata
    )
    return content.getvalue()


class _Content(BytesIO):
    """Python between two row groups, so that other threads get the interpreter, which the library never lets go."""

    def write(self, content: "Buffer", /) -> int:
        return super().write(content)


def _create(store: Objects, name: str, content: bytes) -> None:
    # A write whose answer was lost is tried again, and finds what it wrote itself.
    if not store.create(name, content) and store.read(name) != content:
        raise RecordError(f"{name} is already in the record {store.url}, with another content.")
