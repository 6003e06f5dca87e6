"""Decisions as Arrow rows, and back to the matrix that was scored."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tabular_model.decisions.made import Decided, Made, Refused, without_protected
from tabular_model.manifest import Manifest
from tabular_model.model import Scores
from tabular_model.schema import Column

T = TypeVar("T")

APPLICATION = "application"
_BEFORE = [
    pa.field("record", pa.string(), nullable=False),
    pa.field("id", pa.string()),
    pa.field("request_id", pa.string()),
    pa.field("row", pa.int32(), nullable=False),
    pa.field("time", pa.timestamp("us", "UTC"), nullable=False),
    pa.field("traceparent", pa.string()),
    pa.field("model", pa.string(), nullable=False),
    pa.field("version", pa.string(), nullable=False),
]
_AFTER = [
    pa.field("probability", pa.float64()),
    pa.field("decision", pa.int64()),
    pa.field("reason_codes", pa.list_(pa.string())),
    pa.field("status", pa.int32(), nullable=False),
    pa.field("refused", pa.string()),
]
_OK = 200


def schema(manifest: Manifest) -> pa.Schema:
    """The columns of a part: the application is a struct of the version's own, without those that are protected.

    `id` is the caller's, `record` one that no other row has; `refused` is why a request got no decision.
    """
    return pa.schema([*_BEFORE, *_application(manifest, protected=False), *_AFTER])


def protected_schema(manifest: Manifest) -> pa.Schema:
    """The columns of the part beside it: the rows in the same order, with the protected columns alone."""
    return pa.schema([*_BEFORE[:2], *_application(manifest, protected=True)])


def rows(made: Sequence[Made], writer: str, first: int) -> tuple[pa.RecordBatch, pa.RecordBatch | None]:
    """One batch of decisions by one version, and one of the protected columns, None where it has none.

    `first` is the number of the first row among all of `writer`, by which each has a name of its own.
    """
    manifest = made[0].manifest
    answered = [each if isinstance(each, Decided) else None for each in made]
    counts = [each.rows for each in made]
    count = sum(counts)
    spread = _spread(counts)
    is_row = spread(pa.array([each is not None for each in answered]))
    empty = np.full((1, len(manifest.schema)), np.nan)
    matrix = np.concatenate([empty if each is None else each.matrix for each in answered])
    before = [
        pc.binary_join_element_wise(f"{writer}-", pa.array(np.arange(first, first + count)).cast(pa.string()), ""),
        _flat(counts, [each and each.ids for each in answered], _or_none),
        spread(pa.array([each.request_id or None for each in made], pa.string())),
        pa.array(_places(counts)),
        spread(pa.array([each.time for each in made], _BEFORE[4].type)),
        spread(pa.array([each.traceparent or None for each in made], pa.string())),
        pa.repeat(manifest.model, count),
        pa.repeat(manifest.version, count),
    ]
    after = [
        *_scores(answered, is_row),
        _flat(counts, [each and each.reasons for each in answered], _without_empty),
        spread(pa.array([each.status if isinstance(each, Refused) else _OK for each in made], pa.int32())),
        spread(pa.array([_why(each) for each in made], pa.string())),
    ]
    arrays = [_as(field, values) for field, values in zip(_BEFORE, before, strict=True)]
    arrays += [_struct(field, manifest, matrix, is_row) for field in _application(manifest, protected=False)]
    arrays += [_as(field, values) for field, values in zip(_AFTER, after, strict=True)]
    beside = None
    if manifest.protected:
        (field,) = _application(manifest, protected=True)
        columns = [*arrays[:2], _struct(field, manifest, matrix, is_row)]
        beside = pa.RecordBatch.from_arrays(columns, schema=protected_schema(manifest))
    return pa.RecordBatch.from_arrays(arrays, schema=schema(manifest)), beside


def matrix_of(manifest: Manifest, applications: Sequence[pa.StructArray]) -> NDArray[np.float64]:
    """Float64 [n, columns] as it was scored, from structs [n] that hold the columns between them; NaN for the others.

    The version's own order of columns and levels holds.
    """
    matrix = np.full((len(applications[0]), len(manifest.schema)), np.nan)
    for index, column in enumerate(manifest.schema):
        for each in applications:
            place = each.type.get_field_index(column.name)
            if place >= 0:
                matrix[:, index] = _numbers(column, each.flatten()[place])
    return matrix


def _application(manifest: Manifest, protected: bool) -> list[pa.Field]:
    columns = [column for column in manifest.schema if (column.name in manifest.protected) is protected]
    fields = [pa.field(column.name, _type(column)) for column in columns]
    return [pa.field(APPLICATION, pa.struct(fields))] if fields else []


def _type(column: Column) -> pa.DataType:
    """A whole number is float64 too: what is out of range may be more than an integer holds."""
    return {"category": pa.string(), "boolean": pa.bool_()}.get(column.type, pa.float64())


def _struct(field: pa.Field, manifest: Manifest, matrix: NDArray[np.float64], is_row: pa.Array) -> pa.StructArray:
    names = {each.name for each in field.type}
    columns = [(index, each) for index, each in enumerate(manifest.schema) if each.name in names]
    children = [_values(each, matrix[:, index]) for index, each in columns]
    return pa.StructArray.from_arrays(children, fields=list(field.type), mask=pc.invert(is_row))


def _values(column: Column, values: NDArray[np.float64]) -> pa.Array:
    missing = np.isnan(values)
    if column.type == "category":
        codes = np.where(missing, 0, values).astype(np.int32)
        return pa.array(column.levels, pa.string()).take(pa.array(codes, mask=missing))
    if column.type == "boolean":
        return pa.array(np.where(missing, 0, values).astype(np.bool_), mask=missing)
    return pa.array(values, mask=missing)


def _numbers(column: Column, values: pa.Array) -> NDArray[np.float64]:
    if column.type == "category":
        codes = {level: float(code) for code, level in enumerate(column.levels)}
        return np.array([np.nan if each is None else codes[each] for each in values.to_pylist()], np.float64)
    numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(numbers, np.float64)


def _as(field: pa.Field, values: Any) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, field.type)


def _spread(counts: Sequence[int]) -> Callable[[pa.Array], pa.Array]:
    """What makes of a value for each request one for each of its rows."""
    if max(counts) == 1:  # as of nearly all
        return lambda values: values
    places = pa.array(np.repeat(np.arange(len(counts)), counts))
    return lambda values: values.take(places)


def _places(counts: Sequence[int]) -> NDArray[np.int32]:
    """Each row's place in its request."""
    if max(counts) == 1:
        return np.zeros(len(counts), np.int32)
    return np.concatenate([np.arange(count, dtype=np.int32) for count in counts])


def _flat(
    counts: Sequence[int], values: Sequence[Sequence[T] | None], written: Callable[[T], object]
) -> list[object] | pa.Array:
    """What some requests have for each row, None for the rows of the others."""
    if not any(values):
        return [None] * sum(counts)
    return [
        each
        for count, those in zip(counts, values, strict=True)
        for each in ([None] * count if those is None else map(written, those))
    ]


def _or_none(text: str) -> str | None:
    return text or None


def _without_empty(codes: Sequence[str]) -> list[str]:
    return [code for code in codes if code]


def _why(made: Made) -> str | None:
    return without_protected(made.why, made.manifest) if isinstance(made, Refused) else None


def _scores(answered: Sequence[Decided | None], is_row: pa.Array) -> Iterator[pa.Array]:
    """Probabilities and decisions, null for refused requests."""
    missing = pc.invert(is_row).to_numpy(zero_copy_only=False)
    none = Scores(np.zeros(1), np.zeros(1, np.int64))
    scores = [each.scores if each else none for each in answered]
    yield pa.array(np.concatenate([each.probability for each in scores]), mask=missing)
    yield pa.array(np.concatenate([each.decision for each in scores]), mask=missing)
