"""A decision shown again: the version that made it scores the same application, and its answer is compared."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tabular_model.decisions import parts
from tabular_model.decisions.applications import matrix_of
from tabular_model.decisions.links import Link, Place
from tabular_model.decisions.made import APPLICATION
from tabular_model.decisions.records import Records
from tabular_model.errors import RecordError
from tabular_model.model import TabularModel
from tabular_model.registry import Registry


class Answer(msgspec.Struct, frozen=True):
    """What a version said of one application; `reason_codes` are there if they were asked for."""

    probability: float
    decision: int
    reason_codes: list[str] | None = None


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """One decision: what was recorded, what its version says now, and how they differ, empty if to no bit."""

    record: str
    id: str | None
    request_id: str | None
    row: int
    time: str
    version: str
    application: dict[str, Any]
    recorded: Answer
    replayed: Answer
    changed: list[str]


def replay(
    name: str,
    records: Records,
    registry: Registry,
    protected: Records | None = None,
    since: date | None = None,
    until: date | None = None,
) -> Iterator[Replayed]:
    """Every decision with this id, oldest first; the version is verified as the registry verifies it.

    RecordError if there is none, if the request was refused, or if the version used a protected column that was not
    recorded or is not in `protected`; VersionNotFound and IntegrityError where the version is not as it was.
    """
    found = False
    for place, link, rows in records.find(name, since, until):
        found = True
        yield from _replayed(registry, protected, place, link, rows)
    if not found:
        raise RecordError(f"The record {records.store.url} has no decision with the id {name}{_within(since, until)}.")


def _replayed(
    registry: Registry, protected: Records | None, place: Place, link: Link, rows: pa.Table
) -> Iterator[Replayed]:
    refused = [why for why in rows["refused"].to_pylist() if why]
    if refused:
        raise RecordError(f"The request got no decision from {place.version}: {refused[0]}")
    model = TabularModel.from_registry(registry, place.version)
    link.check(model.manifest, registry.url)
    matrix = _matrix(model, rows, _beside(protected, place, link, rows))
    scores = model.score(matrix)
    with_reasons = any(codes is not None for codes in rows["reason_codes"].to_pylist())
    reasons = model.reason_codes(matrix) if with_reasons else [[]] * len(matrix)
    for index, row in enumerate(rows.to_pylist()):
        codes = None if row["reason_codes"] is None else [code for code in reasons[index] if code]
        yield _compared(
            row,
            Answer(row["probability"], row["decision"], row["reason_codes"]),
            Answer(float(scores.probability[index]), int(scores.decision[index]), codes),
        )


def _beside(protected: Records | None, place: Place, link: Link, rows: pa.Table) -> pa.Table | None:
    """The protected columns of the rows, None where there are none to be had."""
    if not (protected and link.protected):
        return None
    table = parts.decode_columns(protected.read(place.name), place.name, ["record", APPLICATION])
    at = {record: number for number, record in enumerate(table["record"].to_pylist())}
    try:
        return table.take([at[record] for record in rows["record"].to_pylist()])
    except KeyError:
        raise RecordError(f"{place.name} in {protected.store.url} does not have the rows beside it.") from None


def _matrix(model: TabularModel, rows: pa.Table, beside: pa.Table | None) -> NDArray[np.float64]:
    used = [name for name in model.manifest.protected if name in model.manifest.features]
    if used and beside is None:
        raise RecordError(
            f"{model.version} was trained on the protected column {', '.join(used)}: give the place where the record "
            "has the protected columns."
        )
    tables = [table for table in (rows, beside) if table is not None and APPLICATION in table.column_names]
    return matrix_of(model.manifest, [table[APPLICATION].combine_chunks() for table in tables])


def _compared(row: dict[str, Any], recorded: Answer, replayed: Answer) -> Replayed:
    changed = [
        f"{field.replace('_', ' ')} was {before}, and is {after}"
        for field in Answer.__struct_fields__
        if _bits(before := getattr(recorded, field)) != _bits(after := getattr(replayed, field))
    ]
    return Replayed(
        record=row["record"],
        id=row["id"],
        request_id=row["request_id"],
        row=row["row"],
        time=row["time"].isoformat(),
        version=row["version"],
        application=row.get(APPLICATION) or {},
        recorded=recorded,
        replayed=replayed,
        changed=changed,
    )


def _bits(value: Any) -> Any:
    return np.float64(value).tobytes() if isinstance(value, float) else value


def _within(since: date | None, until: date | None) -> str:
    return f" from {since or 'the first day'} to {until or 'the last'}" if since or until else ""
