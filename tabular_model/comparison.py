"""How the compiled model compares with the original on test rows."""

from typing import Literal

import msgspec

Arithmetic = Literal["float64", "float32"]
TOLERANCES: dict[Arithmetic, float] = {"float64": 1e-6, "float32": 1e-5}


class Comparison(msgspec.Struct, frozen=True):
    """The test rows, the largest |difference| of their probabilities, and what `arithmetic` allows of it.

    Of a model in float32 a value may be so near a split that it goes to another side than in float64: `beyond` are the
    rows that differ by more than the tolerance, and `decided_otherwise` those whose decision differs.
    """

    rows: int
    largest_difference: float
    tolerance: float = TOLERANCES["float64"]
    arithmetic: Arithmetic = "float64"
    beyond: int = 0
    decided_otherwise: int = 0
