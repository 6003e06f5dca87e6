"""What a rollout moves: an installation of the chart, wherever its values and its present state are kept."""

from datetime import datetime
from typing import Any, Protocol

import msgspec

from rollout.values import Values
from tabular_model.rollouts import Split


class Revision(msgspec.Struct, frozen=True):
    """One state of a release. `service` is the name of stable's InferenceService, `values` are whole."""

    number: int
    updated: datetime
    description: str
    all_values: dict[str, Any]
    service: str

    @property
    def values(self) -> Values:
        """Refused if the values are those of another version of the chart."""
        return Values.of(self.all_values)


class Release(Protocol):
    """Where a rollout reads what runs, and how it changes that."""

    name: str

    def current(self) -> Revision:
        """What was deployed last."""

    def upgrade(self, split: Split, why: str) -> None:
        """Deploys `split` and changes nothing else; `why` is kept as the description of the new revision."""

    def recover(self) -> None:
        """Clears a change that a rollout began and did not live to end."""
