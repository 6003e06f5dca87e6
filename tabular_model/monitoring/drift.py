"""Whether those who apply, and their scores, are still as they were in training."""

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from tabular_model.monitoring.findings import Check, Checked
from tabular_model.monitoring.formulas import distributions, shares
from tabular_model.monitoring.limits import Limits
from tabular_model.monitoring.tally import Counter, Tally
from tabular_model.reference import Distribution
from tabular_model.shares import Count

Integers = NDArray[np.int64]


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A column or the score in a window: rows, and shares of them.

    `counts[i]` values lie from `edges[i]` up to `edges[i + 1]`, those outside in the outermost bins; `reference` is the
    same of the training rows. `psi` is the population stability index of both, absent if the column has no value.
    """

    rows: int
    missing: float
    out_of_range: float
    psi: float | None
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    reference: tuple[int, ...]


def seen(counter: Counter, tally: Tally) -> tuple[dict[str, Seen], Seen]:
    """Each column that was recorded, and the score."""
    *bins, score = counter.by_bin(tally)
    columns = {
        column.name: _seen(counter.reference.columns[column.name], counts, *_odd(counter, tally, index))
        for index, (column, counts) in enumerate(zip(counter.columns, bins, strict=True))
        if tally.columns[index, 0]
    }
    none = Count(0, tally.rows)
    return columns, _seen(counter.reference.score, score, none, none)


def drift(counter: Counter, tally: Tally, limits: Limits) -> Iterator[Checked]:
    """The tests of the score, and for each recorded column of its values, the missing ones and those out of range.

    A version carries no count of training rows out of range: none is expected.
    """
    reference = counter.reference
    *bins, score = counter.by_bin(tally)
    yield _distributed(Check.score_drift, "score", reference.score, score, limits)
    for index, column in enumerate(counter.columns):
        missing, outside = _odd(counter, tally, index)
        if not missing.rows:
            continue
        known = reference.columns[column.name]
        yield _distributed(Check.drift, column.name, known, bins[index], limits)
        if column.missing:
            trained = Count(round(known.missing * reference.rows), reference.rows)
            words = "is missing in {} of the applications, and was in {} of the training rows."
            yield shifted(Check.missing, column.name, trained, missing, limits.missing, words)
        if column.range:
            none = Count(0, reference.rows)
            words = "is out of range in {} of the applications; {} is expected."
            yield shifted(Check.out_of_range, column.name, none, outside, limits.out_of_range, words)


def shifted(check: Check, subject: str, expected: Count, found: Count, limit: float, words: str) -> Checked:
    """The test of a share; `words` about the subject have places for the one found and the one expected."""
    sentence = f"{subject} {words.format(f'{found.share:.1%}', f'{expected.share:.1%}')}"
    return Checked(check, subject, found.share, expected.share, limit, shares(expected, found, limit), sentence)


def _distributed(check: Check, subject: str, expected: Distribution, found: Integers, limits: Limits) -> Checked:
    tested = distributions(np.array(expected.counts), found)
    sentence = f"{subject} has a PSI of {tested.change:.3f} against the training rows."
    return Checked(check, subject, tested.change, 0.0, limits.psi, tested, sentence)


def _odd(counter: Counter, tally: Tally, column: int) -> tuple[Count, Count]:
    return counter.share(tally, column, 1), counter.share(tally, column, 2)


def _seen(reference: Distribution, counts: Integers, missing: Count, outside: Count) -> Seen:
    return Seen(
        rows=missing.rows,
        missing=missing.share,
        out_of_range=outside.share,
        psi=distributions(np.array(reference.counts), counts).change if counts.any() else None,
        edges=reference.edges,
        counts=tuple(counts.tolist()),
        reference=reference.counts,
    )
