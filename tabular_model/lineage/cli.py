"""The command that traces a version, and what tells MLflow of one that was published or promoted."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tabular_model.cli import DEFAULT_ROOT, Key, Name, Root, console, write_whole
from tabular_model.errors import ModelError
from tabular_model.registry import Registry

if TYPE_CHECKING:
    from tabular_model.lineage.facts import Lineage

URI = "MLFLOW_TRACKING_URI"


def lineage(
    version: Name,
    registry: Root = DEFAULT_ROOT,
    verify_key: Key = None,
    audit: Annotated[
        list[Path] | None,
        typer.Option(help="Log with audit lines: who started the training, and when; repeatable.", metavar="FILE"),
    ] = None,
    judgements: Annotated[
        list[Path] | None,
        typer.Option(help="What `loan rollout` printed: which releases served it when; repeatable.", metavar="FILE"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write the same JSON to.", metavar="FILE")
    ] = None,
    openlineage: Annotated[
        Path | None,
        typer.Option(help="File to write OpenLineage's events to, one line of JSON each.", metavar="FILE"),
    ] = None,
    mlflow: Annotated[
        str, typer.Option(envvar=URI, help="MLflow server to log the version to, and to keep the champion's alias on.")
    ] = "",
) -> None:
    """Show what a version was made of, who approved it, and which releases served it when."""
    from tabular_model import log_lines
    from tabular_model.lineage.facts import trace
    from tabular_model.lineage.view import view

    opened = Registry.open(registry, verify_key=verify_key)
    entries = log_lines.entries(audit) if audit else None
    decisions = log_lines.decisions(judgements) if judgements else None
    traced = trace(opened, version, entries, decisions)
    if openlineage:
        write_whole(openlineage, _events(traced))
        typer.echo(f"Wrote {openlineage}: OpenLineage's events of {traced.name}.", err=True)
    if output:
        write_whole(output, traced.encode())
        typer.echo(f"Wrote {output}: the lineage of {traced.name}.", err=True)
    if as_json:
        typer.echo(traced.encode(), nl=False)
    elif not (output or openlineage):
        console().print(view(traced))
    if mlflow:
        _log(opened, traced, mlflow)


def follow(registry: Registry, version: str) -> None:
    """Tells the MLflow server of MLFLOW_TRACKING_URI, if it is set, of a version that was published or promoted.

    A failure is one warning on stderr: what was done in the registry is done.
    """
    from tabular_model.lineage.facts import trace

    uri = os.environ.get(URI)
    if not uri:
        return
    try:
        _log(registry, trace(registry, version), uri)
    except ModelError as error:
        typer.secho(f"warning: MLflow was not told of {version}; `loan lineage {version}` does it. {error}", err=True)


def _events(traced: "Lineage") -> bytes:
    try:
        from tabular_model.lineage.openlineage import events
    except ModuleNotFoundError as error:
        raise _missing(error, "openlineage") from None
    return events(traced)


def _log(registry: Registry, traced: "Lineage", uri: str) -> None:
    try:
        from tabular_model.lineage.mlflow import log
        from tabular_model.lineage.tracking import Settings
    except ModuleNotFoundError as error:
        raise _missing(error, "mlflow") from None
    logged = log(registry, traced, Settings.read(uri))
    champion = f"the alias champion is on {logged.champion}" if logged.champion else "there is no champion"
    typer.echo(f"MLflow has {traced.name} as version {logged.number} of {traced.model}; {champion}.", err=True)


def _missing(error: ModuleNotFoundError, extra: str) -> ModelError:
    return ModelError(f"{(error.name or '').partition('.')[0]} is missing: pip install 'loan-model[{extra}]'.")
