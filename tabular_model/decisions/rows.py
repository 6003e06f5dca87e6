"""Decisions as columns of the record."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabular_model.decisions.made import Decided, Made, Refused, without_protected
from tabular_model.decisions.parquet import Field, Kind, Values, flags, numbers, texts
from tabular_model.manifest import Manifest
from tabular_model.schema import Column

APPLICATION = "application"
_RECORD, _ID = Field("record", required=True), Field("id")
_BEFORE = (
    _RECORD,
    _ID,
    Field("request_id"),
    Field("row", "small", required=True),
    Field("time", "time", required=True),
    Field("traceparent"),
    Field("model", required=True),
    Field("version", required=True),
)
_AFTER = (
    Field("probability", "number"),
    Field("decision", "integer"),
    Field("reason_codes", is_list=True),
    Field("status", "small", required=True),
    Field("refused"),
)
_OK = 200
_MICROSECONDS = 1e6
_KINDS: dict[str, Kind] = {"category": "text", "boolean": "boolean"}


class Rows:
    """Decisions by one version: `fields`, and the values of each; both of the protected columns alone, empty if none.

    The application is a struct of the version's own columns, without those that are protected. `id` is the caller's,
    `record` one that no other row has; `refused` is why a request got no decision.
    """

    def __init__(self, made: Sequence[Made], writer: str, first: int) -> None:
        """`first` is the number of the first row among all of `writer`, by which each has a name of its own."""
        self._manifest = made[0].manifest
        self._made = made
        self._counts = [each.rows for each in made]
        self.count = sum(self._counts)
        self._answered = [each if isinstance(each, Decided) else None for each in made]
        self._there = np.repeat([each is not None for each in self._answered], self._counts)
        empty = np.full((1, len(self._manifest.schema)), np.nan)
        self._matrix = np.concatenate([empty if each is None else each.matrix for each in self._answered])
        named = [
            Values(texts([b"%b-%d" % (writer.encode(), number) for number in range(first, first + self.count)])),
            self._ids(),
        ]
        self.values = [*named, *self._before(), *self._application(protected=False), *self._after()]
        self.protected = [*named, *self._application(protected=True)] if self._manifest.protected else []

    def _before(self) -> list[Values]:
        made, counts = self._made, self._counts
        places = np.concatenate([np.arange(count, dtype=np.int32) for count in counts]) if self._many else self._zeros()
        times = np.rint(np.array([each.time.timestamp() for each in made]) * _MICROSECONDS).astype(np.int64)
        return [
            _optional(self._spread([each.request_id for each in made])),
            Values(numbers(places)),
            Values(numbers(np.repeat(times, counts))),
            _optional(self._spread([each.traceparent for each in made])),
            Values(texts([self._manifest.model.encode()]) * self.count),
            Values(texts([self._manifest.version.encode()]) * self.count),
        ]

    def _after(self) -> list[Values]:
        scores = [each.scores for each in self._answered if each]
        none = np.empty(0)
        there = self._there.astype(np.int8)
        status = np.array([each.status if isinstance(each, Refused) else _OK for each in self._made], np.int32)
        return [
            Values(numbers(np.concatenate([none, *(each.probability for each in scores)])), there),
            Values(numbers(np.concatenate([none, *(each.decision for each in scores)]).astype(np.int64)), there),
            self._reasons(),
            Values(numbers(np.repeat(status, self._counts))),
            _optional(self._spread([_why(each) for each in self._made])),
        ]

    def _ids(self) -> Values:
        if not any(each and each.ids for each in self._answered):
            return _optional([""] * self.count)
        found: list[str] = []
        for each, count in zip(self._answered, self._counts, strict=True):
            found += each.ids if each and each.ids else [""] * count
        return _optional(found)

    def _reasons(self) -> Values:
        """Levels are 0 where there is no list, 1 where it is empty, 2 for each code."""
        if not any(each and each.reasons for each in self._answered):
            return Values(b"", self._zeros(np.int8), self._zeros(np.int8))
        codes: list[bytes] = []
        levels: list[int] = []
        repeats: list[int] = []
        for each, count in zip(self._answered, self._counts, strict=True):
            for listed in each.reasons if each and each.reasons else [None] * count:
                kept = [code.encode() for code in listed or () if code]
                codes += kept
                levels += [2] * len(kept) or [0 if listed is None else 1]
                repeats += [0, *[1] * (len(kept) - 1)]
        return Values(texts(codes), np.array(levels, np.int8), np.array(repeats, np.int8))

    def _application(self, protected: bool) -> list[Values]:
        """Levels are 0 where a request was refused, 1 where the value is missing, 2 where it is there."""
        found = []
        for index, column in enumerate(self._manifest.schema):
            if (column.name in self._manifest.protected) is protected:
                values = self._matrix[:, index]
                known = ~np.isnan(values)
                levels = (self._there.astype(np.int8) + known).astype(np.int8)
                found.append(Values(_plain(column, values[known]), levels))
        return found

    @property
    def _many(self) -> bool:
        return self.count > len(self._made)

    def _zeros(self, kind: Any = np.int32) -> NDArray[Any]:
        return np.zeros(self.count, kind)

    def _spread(self, values: list[str]) -> list[str]:
        """What each request has, for each of its rows."""
        if not self._many:
            return values
        return [value for value, count in zip(values, self._counts, strict=True) for _ in range(count)]


def fields(manifest: Manifest) -> tuple[Field, ...]:
    """Those of `Rows.values`."""
    return (*_BEFORE, *_struct(manifest, protected=False), *_AFTER)


def protected_fields(manifest: Manifest) -> tuple[Field, ...]:
    """Those of `Rows.protected`: the rows in the same order, with the protected columns alone."""
    return (_RECORD, _ID, *_struct(manifest, protected=True))


def _struct(manifest: Manifest, protected: bool) -> list[Field]:
    columns = [column for column in manifest.schema if (column.name in manifest.protected) is protected]
    # A whole number is float64 too: what is out of range may be more than an integer holds.
    of = tuple(Field(column.name, _KINDS.get(column.type, "number")) for column in columns)
    return [Field(APPLICATION, of=of)] if of else []


def _plain(column: Column, values: NDArray[np.float64]) -> bytes:
    if column.type == "category":
        levels = [level.encode() for level in column.levels]
        return texts([levels[code] for code in values.astype(np.intp).tolist()])
    return flags(values != 0) if column.type == "boolean" else numbers(values)


def _optional(values: Sequence[str]) -> Values:
    """Text that is missing where it is empty."""
    there = np.array([bool(value) for value in values], np.int8)
    return Values(texts([value.encode(errors="replace") for value in values if value]), there)


def _why(made: Made) -> str:
    return without_protected(made.why, made.manifest) if isinstance(made, Refused) else ""
