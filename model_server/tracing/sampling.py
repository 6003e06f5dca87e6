"""Which requests leave a span, as OpenTelemetry's samplers decide by the same environment variables.

The SDK's own take five times as long for a request that is not sampled, which most are not.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from model_server.tracing.context import TraceContext
from tabular_model.errors import ModelError

SAMPLER = "OTEL_TRACES_SAMPLER"
ARGUMENT = "OTEL_TRACES_SAMPLER_ARG"
FOLLOWS_PARENT = "parentbased_"
SAMPLERS = ("always_on", "always_off", "traceidratio")
LOW_BITS = (1 << 64) - 1  # of a trace id, which the ratio is compared with


class Sampling(NamedTuple):
    """A request is sampled when the low bits of its trace id are below `bound`, or as its caller's span is."""

    bound: int
    follows_parent: bool

    @classmethod
    def chosen(cls, environment: Mapping[str, str]) -> "Sampling":
        """By the environment, else `parentbased_always_on`; ModelError for an unknown sampler or ratio."""
        name = environment.get(SAMPLER, "").strip().lower() or "parentbased_always_on"
        kind = name.removeprefix(FOLLOWS_PARENT)
        if kind not in SAMPLERS:
            names = ", ".join([*SAMPLERS, *(FOLLOWS_PARENT + each for each in SAMPLERS)])
            raise ModelError(f"{SAMPLER} is {name!r}; use one of {names}.")
        ratio = _ratio(environment.get(ARGUMENT, "")) if kind == "traceidratio" else float(kind == "always_on")
        return cls(round(ratio * (LOW_BITS + 1)), name.startswith(FOLLOWS_PARENT))

    def takes(self, parent: TraceContext | None, drawn: int) -> bool:
        """`drawn` is the trace id of a request without a parent."""
        if parent is None:
            return drawn & LOW_BITS < self.bound
        return parent.sampled if self.follows_parent else int(parent.trace_id, 16) & LOW_BITS < self.bound


def _ratio(text: str) -> float:
    try:
        ratio = float(text.strip() or 1)
    except ValueError:
        ratio = math.nan
    if not 0 <= ratio <= 1:
        raise ModelError(f"{ARGUMENT} is {text!r}; it must be a share from 0 to 1, such as 0.01.")
    return ratio
