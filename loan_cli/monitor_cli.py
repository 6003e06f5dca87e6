"""`loan monitor`: what changed since training, as a document, gauges, a report and an exit code."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loan_cli.options import pairs
from tabular_model.cli import DEFAULT_ROOT, Key, Root, write_whole
from tabular_model.decisions.cli import Beside, Place, Since, Until, as_date, many, open_records
from tabular_model.errors import ModelError

if TYPE_CHECKING:
    from tabular_model.monitoring.result import Monitored
    from training_job.follow_up import FollowUp


FINDINGS = "FINDING[,FINDING…]"
CLUSTER = "On a cluster"
RETRAIN_DAYS = 30


class Found(ModelError):
    """What the command was told to fail on was found."""


def monitor(
    records: Place,
    registry: Root = DEFAULT_ROOT,
    protected: Beside = "",
    verify_key: Key = None,
    since: Since = None,
    until: Until = None,
    history: Annotated[
        str,
        typer.Option(
            envvar="LOAN_MONITOR_HISTORY",
            help="Folder or bucket URL that keeps each window's result; without --from, the window begins where the "
            "last one ended.",
        ),
    ] = "",
    outcomes: Annotated[
        str, typer.Option(help="File, folder or URL of outcomes: id, outcome, date; of any decisions until --to.")
    ] = "",
    good: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="A good outcome, by default the target's approved value; repeatable."),
    ] = None,
    bad: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="A bad outcome, by default the target's rejected value; repeatable."),
    ] = None,
    limits: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="LIMIT=VALUE", help="A limit, such as psi=0.25; repeatable."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File to write the result to, as JSON.", metavar="FILE")] = None,
    metrics: Annotated[
        Path | None, typer.Option(help="File to write gauges for Prometheus' textfile collector to.", metavar="FILE")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="File to write the report to, one page of HTML.", metavar="FILE")
    ] = None,
    fail_on: Annotated[
        str,
        typer.Option(
            metavar=FINDINGS,
            help="Exit with 1 if one of these was found: drift, score-drift, missing, out-of-range, approval, "
            "adverse-impact, discrimination, calibration, or any.",
        ),
    ] = "",
    event_on: Annotated[
        str,
        typer.Option(
            metavar=FINDINGS,
            help="Tell the cluster of these findings, by events of --service.",
            rich_help_panel=CLUSTER,
        ),
    ] = "",
    retrain_on: Annotated[
        str,
        typer.Option(
            metavar=FINDINGS,
            help="The same, and start a training Job of --service, whose version is not promoted.",
            rich_help_panel=CLUSTER,
        ),
    ] = "",
    retrain_days: Annotated[
        int,
        typer.Option(
            min=1, help="Days before the findings of a version start another training.", rich_help_panel=CLUSTER
        ),
    ] = RETRAIN_DAYS,
    service: Annotated[
        str,
        typer.Option(metavar="NAME", help="InferenceService of the chart's release.", rich_help_panel=CLUSTER),
    ] = "",
) -> None:
    """Compare what versions decided with what they were trained on, and with what became of the applicants."""
    try:
        from tabular_model.data import open_rows
        from tabular_model.monitoring.findings import Outcome, checks
        from tabular_model.monitoring.history import History, Window
        from tabular_model.monitoring.limits import Limits
        from tabular_model.monitoring.report import render
        from tabular_model.monitoring.textfile import textfile
        from tabular_model.monitoring.watch import Given, Sources
        from tabular_model.monitoring.watch import monitor as watch
        from tabular_model.registry import Registry
    except ModuleNotFoundError as error:
        raise ModelError(f"A monitor needs {error.name}: install loan-model[training].") from None

    failing, held = checks("--fail-on", fail_on), Limits.of(pairs("--set", limits or []))
    follow_up = _follow_up(service, event_on, retrain_on, retrain_days)
    opened, beside = open_records(records), open_records(protected) if protected else None
    kept = History(history) if history else None
    before = kept.read() if kept else []
    window = Window.of(opened, as_date(since), as_date(until), before[-1] if before else None)
    sources = Sources(opened, beside, Registry.open(registry, verify_key=verify_key))
    with open_rows(outcomes) if outcomes else nullcontext() as rows:
        result = watch(sources, *window, held, Given(rows, good or (), bad or ()) if rows else None)
    if kept:
        kept.add(result)
    if metrics:
        write_whole(metrics, textfile(result).encode())
    if report:
        write_whole(report, render(result, before))
    if output:
        write_whole(output, result.encode())
        _summarise(result)
    else:
        typer.echo(result.encode())
    if follow_up and (done := follow_up.follow(result)):
        typer.echo(done, err=True)
    found = [(version, each) for version in result.versions for each in version.having(Outcome.found)]
    if sentences := [f"{version.version}: {each.sentence}" for version, each in found if each.check in failing]:
        raise Found(" ".join(sentences))


def _follow_up(service: str, event_on: str, retrain_on: str, days: int) -> "FollowUp | None":
    """ModelError for an unknown finding, without a service, or without a cluster."""
    from tabular_model.monitoring.findings import checks

    events, training = checks("--event-on", event_on), checks("--retrain-on", retrain_on)
    if not events | training:
        return None
    if not service:
        raise ModelError(
            "--event-on and --retrain-on need --service: the InferenceService of the release whose cluster is told."
        )
    try:
        from training_job.follow_up import Declared, FollowUp
    except ModuleNotFoundError as error:
        raise ModelError(f"To tell a cluster needs {error.name}: install loan-model[cluster].") from None
    return FollowUp(service, Declared(events, training, days))


def _summarise(result: "Monitored") -> None:
    """A line for each version, and for each of its findings."""
    from tabular_model.monitoring.findings import Outcome

    typer.echo(f"{result.model} from {result.first} to {result.last}")
    for version in result.versions:
        counts = ", ".join(f"{len(version.having(outcome))} {outcome}" for outcome in Outcome)
        decided, checked = many(version.rows, "decision"), many(len(version.findings), "check")
        typer.echo(f"{version.version}: {decided}; of {checked} {counts}")
        for each in version.having(Outcome.found):
            typer.echo(f"  {each.check}: {each.sentence}")
        for check, why in version.not_judged.items():
            typer.echo(f"  {check} was not judged: {why}")
