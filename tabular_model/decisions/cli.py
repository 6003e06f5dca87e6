"""The commands on the record of decisions."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from tabular_model.audit import audited, operator
from tabular_model.cli import DEFAULT_ROOT, Key, Root
from tabular_model.errors import ModelError, RecordError

if TYPE_CHECKING:
    from tabular_model.decisions.records import Records

app = typer.Typer(no_args_is_help=True, help="Verify the record of decisions, join outcomes to it, and let it expire.")

Place = Annotated[
    str, typer.Option("--records", envvar="LOAN_RECORDS", help="Folder or bucket URL of the record of decisions.")
]
Beside = Annotated[
    str,
    typer.Option(
        "--protected",
        envvar="LOAN_RECORDS_PROTECTED",
        help="Folder or bucket URL of the record's protected columns; by default they are left alone.",
    ),
]
_DAY = {"formats": ["%Y-%m-%d"], "metavar": "DATE"}
Since = Annotated[datetime | None, typer.Option("--from", help="First day (UTC) to look at.", **_DAY)]
Until = Annotated[datetime | None, typer.Option("--to", help="Last day (UTC) to look at.", **_DAY)]


@app.command("verify")
def verify_records(
    records: Place,
    protected: Beside = "",
    verify_key: Annotated[
        Path | None,
        typer.Option(
            envvar="LOAN_RECORDS_VERIFY_KEY",
            help="PEM file of public keys; a day that was closed must be signed by one of them.",
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Check that nothing of the record was changed or taken out; exits with 1 if anything was."""
    opened, beside = open_records(records), open_records(protected) if protected else None
    from tabular_model.decisions.verify import verify
    from tabular_model.signing import Trust

    trust = Trust.read(verify_key) if verify_key else None
    faults = 0
    for day in opened.days(as_date(since), as_date(until)):
        found = verify(opened, day, beside, trust)
        faults += len(found.faults)
        typer.echo(f"{day}: {many(found.parts, 'part')}, {many(found.rows, 'row')}, digest {found.digest}")
        for writer in found.open:
            typer.echo(
                f"  {writer} has not closed the day: it is running, or was killed, or its last parts are missing."
            )
        for fault in found.faults:
            typer.echo(f"  {fault}")
    if faults:
        raise RecordError(f"The record {opened.store.url} has {many(faults, 'fault')}.")


@app.command()
def expire(
    days: Annotated[
        int,
        typer.Option(envvar="LOAN_RECORDS_DAYS", min=1, help="Days that the record is kept; older ones are deleted."),
    ],
    records: Place,
    protected: Beside = "",
) -> None:
    """Delete the days of the record that are older; nothing if EU law wants one of them kept for six months."""
    opened, beside = open_records(records), open_records(protected) if protected else None
    from tabular_model.decisions import retention

    today = datetime.now(UTC).date()
    with audited("expire", who=operator(), what=opened.store.url, why=f"older than {days} days") as doing:
        old = retention.expired(opened, days, today)
        doing.why += f": {', '.join(map(str, old)) or 'none'}"
        for day in old:
            if beside:
                retention.delete(beside, day)
            retention.delete(opened, day)
    typer.echo(f"Deleted {many(len(old), 'day')} of the record {opened.store.url}.")


@app.command()
def outcomes(
    source: Annotated[str, typer.Option("--input", help="File, folder or URL of outcomes: id, outcome, date.")],
    target: Annotated[str, typer.Option("--output", help="File to write; its ending sets the format.")],
    records: Place,
    since: Since = None,
    until: Until = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
) -> None:
    """Join outcomes to the decisions with the same ids, and count what is late, repeated or contradictory."""
    opened = open_records(records)
    from tabular_model.data import open_rows, writing
    from tabular_model.decisions.outcomes import SCHEMA, join

    with open_rows(source) as rows, writing(target, SCHEMA, rows, overwrite) as writer:
        table, counts = join(rows, opened, as_date(since), as_date(until))
        for batch in table.to_batches():
            writer.write(batch)
    typer.echo(msgspec.json.encode(counts).decode())


def replay(
    name: Annotated[
        str, typer.Argument(help="The caller's id of an application or request, or a record's.", metavar="ID")
    ],
    records: Place,
    registry: Root = DEFAULT_ROOT,
    protected: Beside = "",
    verify_key: Key = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Show a decision again: its version scores the recorded application; exits with 1 if the answer differs."""
    opened, beside = open_records(records), open_records(protected) if protected else None
    from tabular_model.decisions.replay import replay as replayed
    from tabular_model.registry import Registry

    versions = Registry.open(registry, verify_key=verify_key)
    changed = []
    for each in replayed(name, opened, versions, beside, as_date(since), as_date(until)):
        typer.echo(msgspec.json.format(msgspec.json.encode(each), indent=2).decode())
        changed += [f"{each.record}: {what}" for what in each.changed]
    if changed:
        raise RecordError(f"The answer is not the recorded one; {'; '.join(changed)}.")


def open_records(url: str) -> "Records":
    """The record at a URL; RecordError if there is none, ModelError without PyArrow.

    Called before anything else that needs PyArrow is imported, so that it is said if that is missing.
    """
    try:
        from tabular_model.decisions.records import Records
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        raise ModelError("The record of decisions needs PyArrow: install loan-model[records].") from None
    return Records.open(url)


def as_date(given: datetime | None) -> date | None:
    """The day that an option names."""
    return given.date() if given else None


def many(count: int, what: str) -> str:
    """So many of them, in words."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
