"""`monitor.json`: what was found in a window, as a document."""

from datetime import date, datetime
from typing import Any

import msgspec

from tabular_model.decisions.outcomes import Joined
from tabular_model.metrics import Estimate
from tabular_model.monitoring.drift import Seen
from tabular_model.monitoring.fairness import Group
from tabular_model.monitoring.findings import Check, Finding, Outcome
from tabular_model.monitoring.limits import Limits
from tabular_model.monitoring.quality import Outcomes

FORMAT = 1
PROCEDURE = (
    "Holm's procedure over all tests of a version in the window: whatever the tests have to do with each other, the "
    "chance of any finding where nothing changed is at most the significance."
)


class VersionMonitored(msgspec.Struct, frozen=True, kw_only=True):
    """One version in the window: what it decided, how it compares, and what was found.

    `rows` are the decisions, `refused` the requests without one. `not_judged` says of a check why it was not made.
    """

    version: str
    rows: int
    refused: int
    approval_rate: Estimate
    score: Seen
    columns: dict[str, Seen]
    groups: dict[str, list[Group]]
    outcomes: Outcomes | None
    findings: list[Finding]
    not_judged: dict[Check, str]

    def having(self, outcome: Outcome) -> list[Finding]:
        """The findings of one outcome."""
        return [each for each in self.findings if each.outcome == outcome]


class Monitored(msgspec.Struct, frozen=True, kw_only=True):
    """What was found from the day `first` to the day `last` (UTC), both included, in a record.

    `assumptions` are what the figures stand on and the data cannot show. `joined` counts how the outcomes met the
    decisions, absent where none were given.
    """

    format: int = FORMAT
    model: str
    created: datetime
    record: str
    first: date
    last: date
    limits: Limits
    procedure: str = PROCEDURE
    assumptions: list[str]
    joined: Joined | None
    versions: list[VersionMonitored]

    def encode(self) -> bytes:
        """UTF-8 JSON, indented by two spaces, its keys in the order of the fields."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)

    @classmethod
    def decode(cls, content: bytes) -> "Monitored":
        """msgspec.DecodeError for other JSON; fields that it does not know are ignored."""
        return msgspec.json.decode(content, type=cls)


def json_schema() -> dict[str, Any]:
    """The JSON schema of `monitor.json`, made from the types and their docstrings."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Monitored)}
