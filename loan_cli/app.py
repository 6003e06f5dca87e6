"""`loan`: the commands of all packages."""

from importlib.metadata import version as installed
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from loan_cli.card_cli import card
from loan_cli.monitor_cli import monitor
from loan_cli.predict_cli import predict
from loan_cli.train_cli import train
from model_server import cli as serving
from rollout.cli import app as rollout
from rollout.judge_cli import JudgeCommand, judge
from tabular_model.cli import app as versions
from tabular_model.cli import keys
from tabular_model.decisions.cli import app as records
from tabular_model.decisions.cli import replay
from tabular_model.errors import GateFailed, ModelError, NotSigned, RegistryEmpty, RegistryNotFound
from tabular_model.lineage.cli import lineage
from training_job import cli as training

EXAMPLES = """
Examples:

  # Make a data set and train the first version on it
  loan data --output files/dataset.csv && loan train --data files/dataset.csv

  # Serve the champion, else the latest version, on ports 8080 and 8081
  loan serve

  # List the versions, and promote one to champion
  loan versions list && loan versions promote v2 --reason "better calibrated"

  # Roll out v2 on a cluster step by step, and roll back if it is worse
  loan rollout --to v2 --dry-run && loan rollout --to v2
"""


# The domain's messages reach callers over HTTP, and so name no command and no option; here they are added.
_ADVICE: dict[type[BaseException], str] = {
    RegistryNotFound: "`loan train` creates one.",
    RegistryEmpty: "`loan train` publishes one.",
    NotSigned: "`loan train --signing-key FILE` signs the versions that it publishes.",
    GateFailed: "Use --force to promote it anyway.",
}


class _Commands(TyperGroup):
    """Prints a domain error as one sentence and exits with 1; anything else is a bug and keeps its traceback."""

    def invoke(self, context: Any) -> Any:
        try:
            return super().invoke(context)
        except ModelError as error:
            advice = _advice(error, context.invoked_subcommand)
            typer.secho(f"error: {error}{advice}", fg="red", err=True)
            raise typer.Exit(1) from error


def _advice(error: BaseException | None, command: str | None) -> str:
    """How to fix the error or its cause, after a space; empty where no advice is known."""
    if command == "train":  # whose error is the answer to POST /train
        return ""
    while error and type(error) not in _ADVICE:
        error = error.__cause__
    return f" {_ADVICE[type(error)]}" if error else ""


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Train, version and serve the loan-approval model.",
    epilog=EXAMPLES,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(installed("loan-model"))
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Takes the option --version; the help of the program is the one given to `app`."""


app.command(rich_help_panel="Basic Commands")(training.data)
app.command(rich_help_panel="Basic Commands")(training.init)
app.command(rich_help_panel="Basic Commands")(train)
app.command(rich_help_panel="Serving Commands")(serving.serve)
app.command(rich_help_panel="Serving Commands")(predict)
versions.command("diff")(training.diff)
app.add_typer(versions, name="versions", rich_help_panel="Version Commands")
app.command(rich_help_panel="Version Commands")(card)
app.command(rich_help_panel="Version Commands")(lineage)
app.add_typer(rollout, name="rollout", rich_help_panel="Version Commands")
app.command(cls=JudgeCommand, rich_help_panel="Version Commands")(judge)
app.add_typer(keys, name="keys", rich_help_panel="Version Commands")
app.command(rich_help_panel="Record Commands")(replay)
app.command(rich_help_panel="Record Commands")(monitor)
app.add_typer(records, name="records", rich_help_panel="Record Commands")
app.add_typer(serving.tokens, name="tokens", rich_help_panel="Serving Commands")
