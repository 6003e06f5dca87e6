"""`loan predict` and `loan train --engine spark`: start Spark, run, and say what was done."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from tabular_model.errors import ModelError

if TYPE_CHECKING:
    from training_job.out_of_core.engine import Opened
    from training_job.out_of_core.table import Table
    from training_job.training import Training

_SCHEDULED = re.compile(r"-(\d{8,9})$")  # minutes since 1970, in the names of a CronJob's Jobs


def score_on_spark(
    master: str, settings: Mapping[str, str], name: str, *, source: str, target: str, **run: Any
) -> None:
    """Scores one table; ModelError where pyspark is missing, and for what `Run` refuses."""
    with _installed("Scoring"):
        from loan_spark.run import Run  # noqa: PLC0415 - an extra
        from loan_spark.session import session  # noqa: PLC0415
    date = f"{scheduled(name):%Y-%m-%d}"
    source, target = (each.replace("{date}", date) for each in (source, target))
    asked = Run(source=source, target=target, name=name, **run)
    with Console(stderr=True).status(f"Scoring {source} on Spark ({master})"), session(master, settings) as spark:
        counts = asked(spark).counts
    typer.echo(f"Scored {counts.scored} applications into {target}.")
    if counts.refused:
        folder = asked.beside or target
        typer.echo(f"Refused {counts.refused} of {counts.rows}; they are in {folder}/_refused, each with the reason.")


def training_on_spark(master: str, settings: Mapping[str, str]) -> "Opened":
    """Opens a training's data on Spark; ModelError where pyspark is missing."""
    with _installed("Training"):
        from loan_spark.session import session  # noqa: PLC0415 - an extra
        from loan_spark.training import SparkTable  # noqa: PLC0415

    @contextmanager
    def opened(training: "Training") -> Iterator["Table"]:
        with session(master, settings) as spark:
            yield SparkTable(spark, training)

    return opened


@contextmanager
def _installed(doing: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        lacking = str(error.name).partition(".")[0]
        raise ModelError(f"{doing} on Spark needs {lacking}: pip install 'loan-model[spark]'.") from None


def scheduled(name: str) -> datetime:
    """When the run was due: the time in its Job's name, which a retry keeps; else now."""
    found = _SCHEDULED.search(name)
    return datetime.fromtimestamp(int(found[1]) * 60, UTC) if found else datetime.now(UTC)
