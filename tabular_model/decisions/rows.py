"""Decisions as columns of the record, in Arrow."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from arro3.core import Array, DataType, Field, RecordBatch, Schema, list_array, struct_array
from numpy.typing import NDArray

from tabular_model.decisions.made import APPLICATION, Decided, Made, Refused, without_protected
from tabular_model.schema import Column

_TEXT, _NUMBER, _SMALL = DataType.string(), DataType.float64(), DataType.int32()
_TIME = DataType.timestamp("us", tz="UTC")
_CODES = DataType.list(Field("element", _TEXT, nullable=False))
_KINDS = {"category": _TEXT, "boolean": DataType.bool()}
_NAMED = [Field("record", _TEXT, nullable=False), Field("id", _TEXT)]
_BEFORE = [
    Field("request_id", _TEXT),
    Field("row", _SMALL, nullable=False),
    Field("time", _TIME, nullable=False),
    Field("traceparent", _TEXT),
    Field("model", _TEXT, nullable=False),
    Field("version", _TEXT, nullable=False),
]
_AFTER = [
    Field("probability", _NUMBER),
    Field("decision", DataType.int64()),
    Field("reason_codes", _CODES),
    Field("status", _SMALL, nullable=False),
    Field("refused", _TEXT),
]
_OK = 200
_MICROSECONDS = 1e6


class Rows:
    """Decisions by one version: `whole`, and beside it the `protected` columns alone, None if there are none.

    The application is a struct of the version's own columns, without those that are protected. `id` is the caller's,
    `record` one that no other row has; `refused` is why a request got no decision.
    """

    def __init__(self, made: Sequence[Made], writer: str, first: int) -> None:
        """`first` is the number of the first row among all of `writer`, by which each has a name of its own."""
        self._manifest = made[0].manifest
        self._made = made
        self._counts = [each.rows for each in made]
        self._answered = [each if isinstance(each, Decided) else None for each in made]
        self._refused = np.repeat([each is None for each in self._answered], self._counts)
        empty = np.full((1, len(self._manifest.schema)), np.nan)
        self._matrix = np.concatenate([empty if each is None else each.matrix for each in self._answered])
        self.count = len(self._matrix)
        records = [f"{writer}-{number}" for number in range(first, first + self.count)]
        named = [Array(records, _TEXT), self._ids()]
        fields, values = self._application(protected=False)
        self.whole = _batch([*_NAMED, *_BEFORE, *fields, *_AFTER], [*named, *self._before(), *values, *self._after()])
        fields, values = self._application(protected=True)
        self.protected = _batch([*_NAMED, *fields], [*named, *values]) if fields else None

    def _before(self) -> list[Array]:
        made, manifest = self._made, self._manifest
        times = np.rint(np.array([each.time.timestamp() for each in made]) * _MICROSECONDS).astype(np.int64)
        return [
            _texts(self._spread(each.request_id for each in made)),
            Array(_chained(map(range, self._counts)), _SMALL),
            Array(np.repeat(times, self._counts)).cast(_TIME),
            _texts(self._spread(each.traceparent for each in made)),
            Array([manifest.model] * self.count, _TEXT),
            Array([manifest.version] * self.count, _TEXT),
        ]

    def _after(self) -> list[Array]:
        scores = [each and each.scores for each in self._answered]
        status = [each.status if isinstance(each, Refused) else _OK for each in self._made]
        return [
            Array(_chained(each.probability.tolist() if each else [None] for each in scores), _NUMBER),
            Array(_chained(each.decision.tolist() if each else [None] for each in scores), DataType.int64()),
            self._reasons(),
            Array(self._spread(status), _SMALL),
            _texts(self._spread(_why(each) for each in self._made)),
        ]

    def _ids(self) -> Array:
        return _texts(self._of_rows([each.ids if each else None for each in self._answered]))

    def _reasons(self) -> Array:
        """Without the codes that are empty."""
        listed = self._of_rows([each.reasons if each else None for each in self._answered])
        kept = [[code for code in codes or () if code] for codes in listed]
        offsets = np.cumsum([0, *map(len, kept)], dtype=np.int32)
        missing = Array.from_numpy(np.array([codes is None for codes in listed]))
        return list_array(Array(offsets), Array(_chained(kept), _TEXT), type=_CODES, mask=missing)

    def _application(self, protected: bool) -> tuple[list[Field], list[Array]]:
        """The struct, where a request was refused missing; nothing if it has no columns."""
        schema = enumerate(self._manifest.schema)
        own = [(at, column) for at, column in schema if (column.name in self._manifest.protected) is protected]
        if not own:
            return [], []
        # A whole number is float64 too: what is out of range may be more than an integer holds.
        fields = [Field(column.name, _KINDS.get(column.type, _NUMBER)) for _, column in own]
        values = [
            Array(_values(column, self._matrix[:, at]), field.type)
            for (at, column), field in zip(own, fields, strict=True)
        ]
        struct = struct_array(values, fields=fields, mask=Array.from_numpy(self._refused))
        return [Field(APPLICATION, struct.type)], [struct]

    def _of_rows(self, values: Sequence[Sequence[Any] | None]) -> list[Any]:
        """What each row has, None where its request has nothing."""
        if not any(values):
            return [None] * self.count
        return _chained(each or [None] * count for each, count in zip(values, self._counts, strict=True))

    def _spread(self, values: Iterable[Any]) -> list[Any]:
        """What each request has, for each of its rows."""
        if self.count == len(self._made):
            return list(values)
        return _chained([value] * count for value, count in zip(values, self._counts, strict=True))


def _batch(fields: Sequence[Field], values: Sequence[Array]) -> RecordBatch:
    return RecordBatch.from_arrays(values, schema=Schema(fields))


def _chained(lists: Iterable[Iterable[Any]]) -> list[Any]:
    return list(chain.from_iterable(lists))


def _texts(values: Iterable[str | None]) -> Array:
    """Text that is missing where it is empty."""
    found = [value or None for value in values]
    try:
        return Array(found, _TEXT)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON may hold
        return Array([value and value.encode(errors="replace").decode() for value in found], _TEXT)


def _values(column: Column, values: NDArray[np.float64]) -> list[Any]:
    missing = np.isnan(values)
    found: NDArray[Any] = values
    if column.type == "category":
        found = np.array(column.levels, object)[np.where(missing, 0, values).astype(np.intp)]
    elif column.type == "boolean":
        found = values != 0
    there: list[Any] = np.where(missing, np.array(None, object), found).tolist()
    return there


def _why(made: Made) -> str:
    return without_protected(made.why, made.manifest) if isinstance(made, Refused) else ""
