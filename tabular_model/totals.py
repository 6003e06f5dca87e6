"""Sums over rows that are passed over part by part, and need not be in one memory."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import reduce
from operator import add
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray


class Summable(Protocol):
    """What some rows give, and what those of other rows can be added to."""

    def __add__(self, other: Self, /) -> Self:
        """Of the rows of both."""


@dataclass(frozen=True)
class Added:
    """Sums that are added field by field."""

    def __add__(self, other: Self, /) -> Self:
        return type(self)(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


S = TypeVar("S", bound=Summable)


def added(parts: Iterable[S]) -> S | None:
    """The sum of the parts, in their order; None of none."""
    each = iter(parts)
    first = next(each, None)
    return None if first is None else reduce(add, each, first)


class Total(Protocol):
    """Sums over all rows."""

    def __call__(self, of: Callable[[NDArray[np.float64], NDArray[np.int64]], S]) -> S:
        """The sum of what `of` gives for rows [n, columns of the schema] and their target [n]."""
