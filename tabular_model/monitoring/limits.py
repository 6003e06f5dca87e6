"""What is held against a version: how large a change must be to count, and how sure it must be."""

import math
from collections.abc import Mapping

import msgspec

from tabular_model.errors import ModelError
from tabular_model.evaluate import FOUR_FIFTHS


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """A change is found if it is beyond chance and beyond its limit; the defaults.

    `significance` is the chance that a version of which nothing changed has any finding in a window. Shares are
    absolute: 0.05 is five points of a hundred.
    """

    significance: float = 0.05
    psi: float = 0.1
    """Population stability index; 0.1 is where credit risk begins to ask, 0.25 where it begins to act."""
    missing: float = 0.02
    out_of_range: float = 0.02
    approval: float = 0.05
    four_fifths: float = FOUR_FIFTHS
    """Lowest adverse impact ratio, by 29 CFR 1607.4(D)."""
    auc: float = 0.05
    """How much less than promised."""
    calibration: float = 0.03
    """Difference between the share of good outcomes and the mean probability of a vintage."""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Limits":
        """The defaults but for what is given by name; ModelError for another name or a value not between 0 and 1."""
        for name in given:
            if name not in cls.__struct_fields__:
                raise ModelError(f"Unknown limit {name}; the limits are {', '.join(cls.__struct_fields__)}.")
        return cls(**{name: _number(name, value) for name, value in given.items()})


def _number(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number < 1:
        raise ModelError(f"The limit {name} is {value}; it must be a number above 0 and below 1.")
    return number
