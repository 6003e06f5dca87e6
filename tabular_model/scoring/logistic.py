"""The logistic function, the same to the last bit for one row, for many, and on every processor.

The exponential functions of numpy and of C differ in the last bit, and numpy's takes other instructions on other
processors. This one takes only operations that IEEE 754 rounds exactly. It is Tang's (Table-driven implementation of
the exponential function, ACM TOMS 15, 1989): where x = (256 m + j) ln 2 / 256 + r, exp(x) = 2^m 2^(j/256) exp(r), of
which the last factor is a short polynomial. Its error is below one unit in the last place.
"""

from decimal import Decimal
from math import ldexp

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_PER_UNIT = 369.3299304675746  # 256 / ln 2
_STEP = 0.00270760617331689  # ln 2 / 256 with 32 bits, so that its multiples are exact
_REST = 7.453964567463233e-13  # what is left of ln 2 / 256
_ROOT = Decimal(2) ** (Decimal(1) / 256)
_POWERS = [float(_ROOT**step) for step in range(256)]  # 2^(j/256)
_POWERS_ARRAY = np.array(_POWERS)
_LEAST = -708.0  # exp of less has not all its bits


def logistic(log_odds: Floats) -> Floats:
    """1 / (1 + exp(-x)) of each, float64 [n]."""
    x = np.maximum(-np.abs(log_odds), _LEAST)  # of the function's two forms the one that does not overflow
    whole = np.rint(x * _PER_UNIT)
    r = (x - whole * _STEP) - whole * _REST
    steps = whole.astype(np.int64)
    factor = _POWERS_ARRAY.take(steps & 255)
    power = (((steps >> 8) + 1023) << 52).view(np.float64)  # 2^m, by the bits of the number
    small = (factor + factor * (r + r * r * (0.5 + r * (1 / 6 + r * (1 / 24))))) * power
    probability: Floats = np.where(log_odds >= 0, 1.0, small) / (1.0 + small)
    return probability


def logistic_of_one(log_odds: float) -> float:
    """The same for one, by the same operations, without numpy's calls."""
    x = max(-abs(log_odds), _LEAST)
    whole = round(x * _PER_UNIT)
    r = (x - whole * _STEP) - whole * _REST
    factor = _POWERS[whole & 255]
    small = ldexp(factor + factor * (r + r * r * (0.5 + r * (1 / 6 + r * (1 / 24)))), whole >> 8)
    return (1.0 if log_odds >= 0 else small) / (1.0 + small)
