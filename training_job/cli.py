"""The commands that make data, draft a model of them, and compare versions."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tabular_model.errors import ModelError
from training_job.launch import SEEDS

if TYPE_CHECKING:
    from tabular_model.metrics import Estimate
    from training_job.compare import Comparison


class Output(StrEnum):
    """Output of `loan versions diff`: lines for people, or JSON for programs."""

    table = "table"
    json = "json"


def data(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .csv or .parquet.")],
    rows: Annotated[int, typer.Option(min=1, help="Number of applications.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, max=SEEDS, help="The same seed gives the same data.")] = 0,
    shuffle_target: Annotated[
        bool, typer.Option("--shuffle-target", help="Shuffle the target, so that there is nothing to learn.")
    ] = False,
) -> None:
    """Write a synthetic data set with a known truth."""
    from loan_model.synthetic import generate

    if output.suffix not in (".csv", ".parquet"):
        raise ModelError(f"The output must be a file that ends in .csv or .parquet, not {output}.")
    frame = generate(rows, seed, shuffle_target=shuffle_target)
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.suffix == ".csv":
        frame.to_csv(output, index=False)
    else:
        frame.to_parquet(output, index=False)
    typer.echo(f"Wrote {rows} applications to {output}.", err=True)


def init(
    source: Annotated[
        str, typer.Option("--data", envvar="LOAN_DATA", help="Data file: a path, a URL, or - for stdin.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; by default NAME.yaml in the current folder.")
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="Target column; guessed by default.")] = None,
    model_name: Annotated[
        str | None,
        typer.Option("--model-name", metavar="NAME", help="Name of the model; by default the data file's."),
    ] = None,
) -> None:
    """Draft the declaration of a model from a data set."""
    from training_job.draft import draft

    if output and output.exists():
        raise ModelError(f"{output} already exists; remove it, or give another file with --output.")
    drafted = draft(source, target=target, model=model_name)
    output = output or Path(f"{drafted.declaration.model}.yaml")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("x", encoding="utf-8") as file:
            file.write(drafted.text())
    except FileExistsError:
        raise ModelError(f"{output} already exists; remove it, or give another file with --output.") from None
    except OSError as error:
        raise ModelError(f"{output} cannot be written: {error.strerror}.") from error
    for sentence in drafted.said():
        typer.echo(sentence, err=True)
    typer.echo(f"Wrote {output}; read its comments before you train a model with it.", err=True)


def diff(
    old: Annotated[str, typer.Argument(help="A version, such as v1.", metavar="OLD")],
    new: Annotated[str, typer.Argument(help="The newer version, such as v2.", metavar="NEW")],
    data: Annotated[
        str, typer.Option("--data", help="The newer version's data, if they were moved after its training.")
    ] = "",
    registry: Annotated[
        str, typer.Option("--registry", envvar="LOAN_REGISTRY", help="Folder or bucket URL that holds the versions.")
    ] = "files/model_version",
    verify_key: Annotated[
        Path | None, typer.Option("--verify-key", envvar="LOAN_VERIFY_KEY", help="PEM file of public keys.")
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="Format of the output.")] = Output.table,
) -> None:
    """Compare two versions: columns, parameters, metrics, and decisions that change on the newer version's holdout."""
    import msgspec

    from tabular_model.registry import Registry
    from training_job.compare import compare

    found = compare(Registry.open(registry, verify_key=verify_key), old, new, data)
    if output is Output.json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    for line in _lines(found):
        typer.echo(line)


def _lines(found: "Comparison") -> Iterator[str]:
    """What the comparison says, a line each."""
    yield f"{found.old} → {found.new}"
    for each in found.columns:
        yield f"  {each.column} {each.what}: {each.holds.value}."
    for name, (before, after) in found.settings.items():
        yield f"  {name}: {before} → {after}"
    if found.same_rows is None:
        yield f"Not compared on the same rows. {found.why}"
        for version, auc in found.recorded.items():
            yield f"  AUC of {version} on its own holdout: {_estimate(auc)}"
        return
    rows = found.same_rows
    yield f"On the {rows.rows} rows of {found.new}'s holdout, each difference with its 95 % interval:"
    for name, paired in rows.metrics.items():
        yield f"  {name}: {paired.old.value:.4f} → {paired.new.value:.4f}, differs by {_estimate(paired.difference)}"
    yield f"  decisions: {rows.newly_approved} newly approved, {rows.newly_rejected} newly rejected"


def _estimate(estimate: "Estimate") -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "undetermined"
    return f"{estimate.value:.4f} ({estimate.low:.4f} to {estimate.high:.4f})"
