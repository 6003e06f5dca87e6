"""The command predict: tables of applications, on this machine or on Spark."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from loan_cli.options import is_given, of_spark, pairs
from model_server.cli import option, server_settings
from tabular_model.errors import DataError

_OF_SPARK = (
    "master",
    "input_format",
    "input_option",
    "output_format",
    "beside",
    "partition_by",
    "most_refused",
    "conf",
)


def predict(
    context: typer.Context,
    source: Annotated[str, typer.Option("--input", help="File, folder or URL of applications; - is standard input.")],
    target: Annotated[str, typer.Option("--output", help="File to write; its ending sets the format; - prints CSV.")],
    version: Annotated[
        str | None, typer.Option(help="Version to use; by default the champion, else the latest.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Add each row's reason codes.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
    registry: Annotated[str | None, option("registry")] = None,
    engine: Annotated[
        Literal["local", "spark"], typer.Option(help="local: this process. spark: --input and --output are folders.")
    ] = "local",
    master: Annotated[str, of_spark("Where Spark runs; by default on all cores of this machine.")] = "local[*]",
    input_format: Annotated[
        str, of_spark("Format of the input, by default that of its files: parquet, csv, orc, json, delta, iceberg.")
    ] = "",
    input_option: Annotated[
        list[str], of_spark("Option of Spark's reader, such as sep=;. Repeatable.", metavar="KEY=VALUE")
    ] = [],  # noqa: B006 - typer makes a new one
    output_format: Annotated[
        str,
        of_spark(
            "parquet, csv, json, orc, delta, or iceberg to a table; by default the output's ending, else parquet."
        ),
    ] = "",
    beside: Annotated[str, of_spark("Folder of an Iceberg table's refused rows and manifest.")] = "",
    partition_by: Annotated[
        list[str], of_spark("Column by whose values the output is partitioned. Repeatable.", metavar="COLUMN")
    ] = [],  # noqa: B006
    most_refused: Annotated[
        float, of_spark("Share of the rows, 0 to 1, that may be refused before nothing is written; by default 0.01.")
    ] = 0.01,
    conf: Annotated[list[str], of_spark("Setting of Spark. Repeatable.", metavar="KEY=VALUE")] = [],  # noqa: B006
    run: Annotated[
        str, of_spark("Name of this run in its manifest; a Job's name ends in its scheduled time.", envvar="LOAN_RUN")
    ] = "",
) -> None:
    """Score a table of applications: CSV, JSON lines, Parquet, Arrow or Feather, and Excel to read.

    The output has the input's columns unchanged, then probability, decision and model_version. With --engine spark it
    is a folder, in which _refused holds the rows that cannot be scored, and why, and _manifest.json what was done.
    """
    from model_server import logs

    logs.configure()
    if engine == "local":
        given = [name for name in _OF_SPARK if is_given(context, name)]
        if given:
            raise DataError(f"--{given[0].replace('_', '-')} is for --engine spark.")
        _on_this_machine(source, target, version, explain, overwrite, registry)
        return
    from loan_cli.spark import score_on_spark

    settings = server_settings(registry=registry)
    score_on_spark(
        master,
        pairs("--conf", conf),
        run,
        source=source,
        target=target,
        registry=settings.registry,
        verify_key=settings.verify_key,
        version=version,
        explain=explain,
        overwrite=overwrite,
        input_format=input_format,
        input_options=pairs("--input-option", input_option),
        output_format=output_format or _ending(target),
        beside=beside,
        partition_by=tuple(partition_by),
        most_refused=most_refused,
    )


def _on_this_machine(
    source: str, target: str, version: str | None, explain: bool, overwrite: bool, registry: str | None
) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from model_server import batch
    from model_server.dataplane import DataPlane
    from model_server.metrics import Metrics
    from model_server.repository import ModelRepository
    from tabular_model.registry import Registry

    settings = server_settings(registry=registry, max_rows=batch.MOST_ROWS)
    metrics = Metrics()
    opened = Registry.open(settings.registry, verify_key=settings.verify_key)
    version = version or opened.default()
    repository = ModelRepository(opened, settings, metrics)
    repository.refresh()
    rows = 0
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("Scoring", total=None)
        plane = DataPlane(repository, metrics)
        scoring = batch.predict(
            plane, version, source, target, explain=explain, overwrite=overwrite, say=progress.print
        )
        for done, total in scoring:
            rows += done
            progress.update(task, total=total, completed=rows)
    where = "standard output" if target == "-" else target
    typer.echo(f"Scored {rows} applications into {where}.", err=target == "-")


def _ending(target: str) -> str:
    ending = Path(target).suffix.lower().removeprefix(".")
    return {"csv": "csv", "json": "json", "jsonl": "json", "orc": "orc"}.get(ending, "parquet")
