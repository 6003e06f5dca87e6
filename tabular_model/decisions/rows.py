"""Decisions as Arrow rows, and back to the matrix that was scored."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tabular_model.decisions.made import Decided, Made, Refused, without_protected
from tabular_model.manifest import Manifest
from tabular_model.schema import Column

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
    count = sum(each.rows for each in made)
    names = [f"{writer}-{number}" for number in range(first, first + count)]
    ids = [each for one in made for each in _ids(one)]
    matrix = np.concatenate([each.matrix if isinstance(each, Decided) else _empty(manifest) for each in made])
    answered = np.repeat([isinstance(each, Decided) for each in made], [each.rows for each in made])
    before = [
        names,
        ids,
        _repeated(made, [each.request_id or None for each in made]),
        [row for each in made for row in range(each.rows)],
        _repeated(made, [each.time for each in made]),
        _repeated(made, [each.traceparent or None for each in made]),
        [manifest.model] * count,
        [manifest.version] * count,
    ]
    after = [
        *_scores(made, answered),
        [codes for each in made for codes in _reasons(each)],
        _repeated(made, [each.status if isinstance(each, Refused) else _OK for each in made]),
        _repeated(made, [_why(each) for each in made]),
    ]
    whole = schema(manifest)
    arrays = [pa.array(values, field.type) for field, values in zip(_BEFORE, before, strict=True)]
    arrays += [_struct(field, manifest, matrix, answered) for field in _application(manifest, protected=False)]
    arrays += [pa.array(values, field.type) for field, values in zip(_AFTER, after, strict=True)]
    beside = None
    if manifest.protected:
        (field,) = _application(manifest, protected=True)
        columns = [*arrays[:2], _struct(field, manifest, matrix, answered)]
        beside = pa.RecordBatch.from_arrays(columns, schema=protected_schema(manifest))
    return pa.RecordBatch.from_arrays(arrays, schema=whole), beside


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


def _struct(
    field: pa.Field, manifest: Manifest, matrix: NDArray[np.float64], answered: NDArray[np.bool_]
) -> pa.StructArray:
    names = [each.name for each in field.type]
    columns = [(index, each) for index, each in enumerate(manifest.schema) if each.name in names]
    children = [_values(each, matrix[:, index]) for index, each in columns]
    return pa.StructArray.from_arrays(children, fields=list(field.type), mask=pa.array(~answered))


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


def _empty(manifest: Manifest) -> NDArray[np.float64]:
    return np.full((1, len(manifest.schema)), np.nan)


def _ids(made: Made) -> Sequence[str | None]:
    if isinstance(made, Refused) or made.ids is None:
        return [None] * made.rows
    return [each or None for each in made.ids]


def _reasons(made: Made) -> Iterator[list[str] | None]:
    if isinstance(made, Refused) or made.reasons is None:
        yield from [None] * made.rows
    else:
        yield from ([code for code in codes if code] for codes in made.reasons)


def _why(made: Made) -> str | None:
    return without_protected(made.why, made.manifest) if isinstance(made, Refused) else None


def _repeated(made: Sequence[Made], values: Sequence[object]) -> list[object]:
    return [value for each, value in zip(made, values, strict=True) for _ in range(each.rows)]


def _scores(made: Sequence[Made], answered: NDArray[np.bool_]) -> Iterator[pa.Array]:
    scores = [each.scores for each in made if isinstance(each, Decided)]
    for values, kind in (
        ([each.probability for each in scores], np.float64),
        ([each.decision for each in scores], np.int64),
    ):
        whole = np.zeros(len(answered), kind)
        if values:
            whole[answered] = np.concatenate(values)
        yield pa.array(whole, mask=~answered)
