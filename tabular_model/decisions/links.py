"""The objects of the record: their names, and how each is linked to the one before it.

A writer, which is one process, writes `date=2026-11-29/version=v2/<writer>-000001.parquet` and so on, and at the end of
a day `date=2026-11-29/_closed/<writer>.json`. Each names what the writer wrote before it, with the sha256 of that, so
that none of them can be taken out or changed without its successor telling. A writer with a key signs the closing, and
so all before it, in `<writer>.sig` beside it.
"""

import re
from datetime import date
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from tabular_model.errors import RecordError
from tabular_model.manifest import Manifest
from tabular_model.schema import Law

CLOSED = "_closed"  # readers of partitioned Parquet pass over names that begin so
KEY = "loan.record"  # of the link in a part's metadata
_DAY = re.compile(r"date=(\d{4}-\d\d-\d\d)(?=/|\Z)")
_PART = re.compile(r"date=(\d{4}-\d\d-\d\d)/version=(v[1-9]\d*)/(.+)-(\d{6,})\.parquet")
_CLOSING = re.compile(rf"date=(\d{{4}}-\d\d-\d\d)/{CLOSED}/(.+)\.json")


class Place(NamedTuple):
    """Where a part is: of which day (UTC) and version, by which writer, and its number among the writer's."""

    day: date
    version: str
    writer: str
    number: int

    @property
    def name(self) -> str:
        """The name of the object."""
        return f"date={self.day}/version={self.version}/{self.writer}-{self.number:06}.parquet"

    @classmethod
    def parse(cls, name: str) -> "Place | None":
        """None where the name is not that of a part."""
        found, day = _PART.fullmatch(name), day_of(name)
        return cls(day, found[2], found[3], int(found[4])) if found and day else None


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """What a part says of itself: its name, and the name and sha256 of what its writer wrote before, empty if nothing.

    `manifest` is the digest of the version's manifest, `protected` the sha256 of the part with the protected columns,
    `law` what the declaration named.
    """

    name: str
    rows: int
    previous: str = ""
    previous_sha256: str = ""
    manifest: str = ""
    protected: str = ""
    law: tuple[Law, ...] = ()

    def check(self, manifest: Manifest, registry: str) -> None:
        """RecordError unless the version of this manifest is the one that decided."""
        if manifest.digest != self.manifest:
            raise RecordError(
                f"{manifest.version} in the registry {registry} is not the version that decided: its manifest's digest "
                f"is {manifest.digest}, and was {self.manifest}."
            )


class Closing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last that a writer says of a day: what it wrote in all, so that a part missing at the end is found too.

    `signer` is the fingerprint of the key that signs it, see `signing`; absent if there is none.
    """

    name: str
    parts: int
    rows: int
    previous: str
    previous_sha256: str
    signer: str | UnsetType = UNSET


def day_of(name: str) -> date | None:
    """The day (UTC) that an object, or a folder, is of; None where the name, which may have been changed, has none."""
    found = _DAY.match(name)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def closing_name(day: date, writer: str) -> str:
    """The name of the object that closes a writer's day."""
    return f"date={day}/{CLOSED}/{writer}.json"


def signature_name(day: date, writer: str) -> str:
    """The name of the object with the signature of that one."""
    return f"date={day}/{CLOSED}/{writer}.sig"


def closing_writer(name: str) -> str | None:
    """The writer whose day the object closes, None where it is no such object."""
    found = _CLOSING.fullmatch(name)
    return found[2] if found else None
