"""What became of the decisions: outcomes come later, as files of `id`, `outcome` and `date`, and are joined by id."""

from datetime import date

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tabular_model.data import Rows, require, text_of
from tabular_model.data.place import Batch
from tabular_model.decisions.records import Records

COLUMNS = ("id", "outcome", "date")
_OF_DECISIONS = ("id", "record", "time", "version", "probability", "decision")


class Joined(msgspec.Struct, kw_only=True):
    """How the outcomes met the decisions; each count is of outcomes, or of ids, as named.

    `repeated` said the same again; `conflicting` ids have several outcomes, of which the one of the newest date
    counts; `undecidable` ones have several of that date, and none counts. `early` ones are dated before any decision
    on their id, and `unknown` ones have no decision in the record. `superseded` decisions were followed by another on
    the same id before the outcome, which is that of the newest.
    """

    outcomes: int = 0
    incomplete: int = 0
    repeated: int = 0
    conflicting: int = 0
    undecidable: int = 0
    unknown: int = 0
    early: int = 0
    superseded: int = 0
    joined: int = 0


SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("outcome", pa.string()),
        ("outcome_date", pa.date32()),
        ("record", pa.string()),
        ("time", pa.timestamp("us", "UTC")),
        ("version", pa.string()),
        ("probability", pa.float64()),
        ("decision", pa.int64()),
    ]
)


def join(
    outcomes: Rows, records: Records, since: date | None = None, until: date | None = None
) -> tuple[pa.Table, Joined]:
    """The decisions of some days that have an outcome, by `SCHEMA`, and the counts of all that was odd.

    However late an outcome comes, and however often: the join of all files is the same in any order. DataError for a
    file without the columns, or with a date that is none. Memory is that of the outcomes.
    """
    counts = Joined()
    newest = _newest(_read(outcomes, counts), counts)
    decided = _decided(records, newest["id"], since, until)
    known = pc.is_in(newest["id"], decided["id"].combine_chunks())
    counts.unknown = newest.num_rows - pc.sum(known.cast(pa.int64())).as_py() if newest.num_rows else 0
    pairs = newest.join(decided, "id", join_type="inner")
    in_time = pairs.filter(pc.less_equal(pc.cast(pairs["time"], pa.date32()), pairs["outcome_date"]))
    counts.early = len(pc.unique(pairs["id"])) - len(pc.unique(in_time["id"]))
    result = _last(in_time)
    counts.superseded = in_time.num_rows - result.num_rows
    counts.joined = result.num_rows
    return result.select(SCHEMA.names).cast(SCHEMA), counts


def _read(outcomes: Rows, counts: Joined) -> pa.Table:
    """All complete rows: id and outcome as text, `outcome_date` a date."""
    require(outcomes.source, outcomes.names, COLUMNS)
    tables = [_plain(batch) for batch in outcomes]
    none = pa.schema(list(SCHEMA)[:3]).empty_table()
    table = pa.concat_tables([none, *(each.cast(none.schema) for each in tables)])
    counts.outcomes = table.num_rows
    whole = table.drop_null()
    counts.incomplete = table.num_rows - whole.num_rows
    return whole


def _plain(batch: Batch) -> pa.Table:
    dates = text_of(batch, "date")
    try:
        # A time is of the day that it is written with.
        days = pc.utf8_slice_codeunits(dates, 0, 10).cast(pa.date32())
    except pa.ArrowException:
        bad = next(row for row, text in enumerate(dates.to_pylist()) if text and not _is_date(text))
        raise batch.place.bad_cell(bad, "date", f"{dates[bad].as_py()!r} is not a date such as 2026-11-29") from None
    return pa.table({"id": text_of(batch, "id"), "outcome": text_of(batch, "outcome"), "outcome_date": days})


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return False
    return True


def _newest(table: pa.Table, counts: Joined) -> pa.Table:
    """One outcome for each id."""
    said = table.group_by(["id", "outcome"]).aggregate([("outcome_date", "max"), ("outcome_date", "count")])
    counts.repeated = table.num_rows - said.num_rows
    said = said.select(["id", "outcome", "outcome_date_max"]).rename_columns(["id", "outcome", "outcome_date"])
    last = said.group_by("id").aggregate([("outcome_date", "max"), ("outcome", "count")])
    several = pc.greater(last["outcome_count"], 1)
    counts.conflicting = pc.sum(several.cast(pa.int64())).as_py() or 0
    said = said.join(last.select(["id", "outcome_date_max"]), "id")
    said = said.filter(pc.equal(said["outcome_date"], said["outcome_date_max"]))
    alone = said.group_by("id").aggregate([("outcome", "count")])
    alone = alone.filter(pc.equal(alone["outcome_count"], 1))
    counts.undecidable = len(pc.unique(said["id"])) - alone.num_rows
    return said.filter(pc.is_in(said["id"], alone["id"].combine_chunks())).select(["id", "outcome", "outcome_date"])


def _decided(records: Records, ids: pa.ChunkedArray, since: date | None, until: date | None) -> pa.Table:
    wanted = ids.combine_chunks()
    found = []
    for table in records.tables(_OF_DECISIONS, since, until):
        mine = table.filter(pc.and_(pc.is_in(table["id"], wanted), pc.is_valid(table["probability"])))
        found.append(mine)
    empty = pa.schema([SCHEMA.field(name) for name in _OF_DECISIONS]).empty_table()
    return pa.concat_tables([empty, *(each.cast(empty.schema) for each in found)])


def _last(table: pa.Table) -> pa.Table:
    """The newest decision on each id."""
    ordered = table.sort_by([("id", "ascending"), ("time", "descending"), ("record", "descending")])
    ids = ordered["id"].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    return ordered.take(pa.array(np.flatnonzero(np.diff(ids, prepend=-1)), pa.int64()))
