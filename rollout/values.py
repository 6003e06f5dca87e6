"""What Helm's values say of a rollout: who serves, at which weight, and what is held against a canary."""

from typing import Any, Literal

import msgspec

from rollout.errors import Refused
from tabular_model.rollouts import Split


class Judgement(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Thresholds; the chart's values document each and hold its default."""

    min_requests: int
    significance: float
    error_ratio: float
    p50_ratio: float
    p99_ratio: float
    latency_margin: float
    psi: float
    approval_shift: float
    missing_shift: float
    out_of_range_shift: float
    restarts: int


class Prometheus(msgspec.Struct, frozen=True):
    """Where metrics are asked for; an empty `url` means the pods themselves."""

    url: str
    labels: dict[str, str]


class Rollout(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Shares in percent, times in seconds."""

    steps: tuple[int, ...]
    step_seconds: float
    limit_seconds: float
    ready_seconds: float
    poll_seconds: float
    prometheus: Prometheus
    judgement: Judgement


class Stable(msgspec.Struct, frozen=True):
    """The version that is served; empty before the first training, when nothing is."""

    version: str


class Canary(msgspec.Struct, frozen=True):
    """A second version, empty for none; its share of the traffic, and the share mirrored to it, are in percent."""

    version: str
    weight: int
    mirror: int


class Tls(msgspec.Struct, frozen=True, rename="camel"):
    """The Secret of the certificate that the pods show; empty where they speak no TLS."""

    secret_name: str = ""


class Values(msgspec.Struct, frozen=True):
    """The part of a release's values that a rollout reads."""

    mode: Literal["Standard", "Knative"]
    stable: Stable
    canary: Canary
    rollout: Rollout
    tls: Tls = Tls()

    @property
    def split(self) -> Split:
        """The versions and the canary's share; the share mirrored to it is not part of a split."""
        return Split(self.stable.version, self.canary.version, self.canary.weight)

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Values":
        """Refused if they are those of another version of the chart."""
        try:
            return msgspec.convert(values, cls)
        except msgspec.ValidationError as error:
            raise Refused(
                f"The release is of a chart that this `loan` does not know: {error}. Upgrade it first."
            ) from error
