"""The description of a version in lists."""

from datetime import datetime
from typing import NamedTuple

import msgspec


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows of a version; `reasons` are what its gate said against it.

    `state` is READY while the version is in memory, else UNAVAILABLE.
    """

    version: str
    created: datetime
    algorithm: str
    passed: bool
    reasons: tuple[str, ...]
    state: str
    default: bool
    champion: bool


class IndexEntry(NamedTuple):
    """A version in V2's repository index: READY or UNAVAILABLE, and why, empty for one that is ready and passed."""

    version: str
    state: str
    reason: str
