"""What was decided, as a server hands it over: arrays, before anything is written."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from tabular_model.manifest import Manifest

if TYPE_CHECKING:
    from tabular_model.model import Scores
    from tabular_model.scoring.scorer import Matrix

APPLICATION = "application"  # the column of the record that has what was asked


class Decided(NamedTuple):
    """The rows of one request that was answered.

    `request_id` is the caller's id of the request, empty if there is none; `ids` [n] are those of its rows, where the
    declaration names a column of them, each empty where it was not sent. `matrix` is float64 [n, columns], NaN for
    missing. `reasons` [n] are there if they were asked for. `traceparent` is the trace, by W3C Trace Context.
    """

    manifest: Manifest
    time: datetime
    request_id: str
    ids: Sequence[str] | None
    matrix: "Matrix"
    scores: "Scores"
    reasons: Sequence[Sequence[str]] | None = None
    traceparent: str = ""

    @property
    def rows(self) -> int:
        """The number of applications."""
        return len(self.matrix)


class Refused(NamedTuple):
    """One request that the version refused, or failed on: the HTTP status and the sentence that the caller got."""

    manifest: Manifest
    time: datetime
    request_id: str
    status: int
    why: str
    traceparent: str = ""

    @property
    def rows(self) -> int:
        """A refused request is one row of the record: how many applications it had may not be known."""
        return 1


Made = Decided | Refused


def without_protected(why: str, manifest: Manifest) -> str:
    """The sentence, unless it names a protected column, whose value it may hold."""
    named = [name for name in manifest.protected if name in why]
    return "The sentence names a protected column, and is not recorded." if named else why
