"""`loan predict --engine spark`: starts Spark, runs, and says what was done."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Console

from tabular_model.errors import ModelError

_SCHEDULED = re.compile(r"-(\d{8,9})$")  # minutes since 1970, in the names of a CronJob's Jobs


def score_on_spark(
    master: str, settings: Mapping[str, str], name: str, *, source: str, target: str, **run: Any
) -> None:
    """Scores one table; ModelError where pyspark is missing, and for what `Run` refuses."""
    try:
        from loan_spark.run import Run  # noqa: PLC0415 - an extra
        from loan_spark.session import session  # noqa: PLC0415
    except ModuleNotFoundError as error:
        lacking = str(error.name).partition(".")[0]
        raise ModelError(f"Scoring on Spark needs {lacking}: pip install 'loan-model[spark]'.") from None
    date = f"{scheduled(name):%Y-%m-%d}"
    source, target = (each.replace("{date}", date) for each in (source, target))
    asked = Run(source=source, target=target, name=name, **run)
    with Console(stderr=True).status(f"Scoring {source} on Spark ({master})"), session(master, settings) as spark:
        counts = asked(spark).counts
    typer.echo(f"Scored {counts.scored} applications into {target}.")
    if counts.refused:
        folder = asked.beside or target
        typer.echo(f"Refused {counts.refused} of {counts.rows}; they are in {folder}/_refused, each with the reason.")


def scheduled(name: str) -> datetime:
    """When the run was due: the time in its Job's name, which a retry keeps; else now."""
    found = _SCHEDULED.search(name)
    return datetime.fromtimestamp(int(found[1]) * 60, UTC) if found else datetime.now(UTC)
