"""Options that commands share."""

from typing import Any

import typer

from tabular_model.errors import DataError

SPARK = "Spark"


def of_spark(help: str, **more: Any) -> Any:
    """An option that only --engine spark has."""
    return typer.Option(help=help, rich_help_panel=SPARK, show_default=False, **more)


def is_given(context: typer.Context, name: str) -> bool:
    """Whether the option is on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def pairs(option: str, given: list[str]) -> dict[str, str]:
    """The values KEY=VALUE of a repeatable option; DataError for another."""
    parted = [each.partition("=") for each in given]
    bad = next((name for name, equals, _ in parted if not (name and equals)), None)
    if bad is not None:
        raise DataError(f"{option} {bad} has no value; write {option} {bad or 'KEY'}=VALUE.")
    return {name: value for name, _, value in parted}
