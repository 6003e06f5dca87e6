"""What a rollout leaves on record: which versions a release ran, at which shares, and each change of them."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta


class Split(msgspec.Struct, frozen=True):
    """Which versions run and the canary's share in percent; an empty version does not run."""

    stable: str
    canary: str
    weight: int

    def __str__(self) -> str:
        if not self.stable:
            return "no version"
        canary = f", {self.canary} {self.weight} %" if self.canary else ""
        return f"{self.stable} {100 - self.weight} %{canary}"

    def share(self, version: str) -> int:
        """The version's share of the traffic in percent."""
        stable = 100 - self.weight if self.stable == version else 0
        return stable + (self.weight if self.canary == version else 0)


class Decision(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`before` and `after` are the versions and the canary's share."""

    event: str
    who: str
    at: Annotated[datetime, Meta(tz=True)]
    release: str
    before: Split
    after: Split
    why: str
