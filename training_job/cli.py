"""The commands that make data and train on it."""

import uuid
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from loan_model.errors import DataError, LoanError


class Choice(StrEnum):
    auto = "auto"
    logistic = "logistic"
    gradient_boosting = "gradient_boosting"


SEEDS = 2**32 - 1


def data(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .csv or .parquet.")],
    rows: Annotated[int, typer.Option(min=1, help="Number of applications.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, max=SEEDS, help="The same seed gives the same data.")] = 0,
    shuffle_target: Annotated[
        bool, typer.Option("--shuffle-target", help="Shuffle the target, so that there is nothing to learn.")
    ] = False,
) -> None:
    """Write a synthetic data set whose truth is known."""
    from loan_model.synthetic import generate

    if output.suffix not in (".csv", ".parquet"):
        raise LoanError(f"{output} ends neither in .csv nor in .parquet, so its format is not known.")
    frame = generate(rows, seed, shuffle_target=shuffle_target)
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.suffix == ".csv":
        frame.to_csv(output, index=False)
    else:
        frame.to_parquet(output, index=False)
    typer.echo(f"Wrote {rows} applications to {output}.", err=True)


def train(
    source: Annotated[
        str, typer.Option("--data", envvar="LOAN_DATA", help="CSV or Parquet file: a path or a URL such as s3://….")
    ] = "",
    registry: Annotated[
        str, typer.Option("--registry", envvar="LOAN_REGISTRY", help="Folder or bucket URL to publish to.")
    ] = "files/model_version",
    algorithm: Annotated[
        Choice, typer.Option(envvar="LOAN_ALGORITHM", help="auto chooses by cross-validated log loss.")
    ] = Choice.auto,
    seed: Annotated[
        int, typer.Option(envvar="LOAN_SEED", min=0, max=SEEDS, help="The same data and seed give the same model.")
    ] = 0,
    use_protected: Annotated[
        list[str] | None,
        typer.Option("--use-protected", metavar="COLUMN", help="Train on this protected column too; repeatable."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Approve from this probability up; chosen unless given.")
    ] = None,
    holdout: Annotated[float, typer.Option(min=0.1, max=0.5, help="Share of the rows to judge on.")] = 0.25,
    run: Annotated[
        str | None, typer.Option(envvar="LOAN_RUN", help="Name of this training; a repeated one publishes once.")
    ] = None,
    signing_key: Annotated[
        Path | None,
        typer.Option(envvar="LOAN_SIGNING_KEY", help="PEM file of the Ed25519 key to sign the version with."),
    ] = None,
    verify_key: Annotated[
        Path | None,
        typer.Option(envvar="LOAN_VERIFY_KEY", help="PEM file of public keys: build on no version of other keys."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
    result: Annotated[
        Path | None, typer.Option(envvar="LOAN_RESULT", help="File to write that line to as well, for whoever waits.")
    ] = None,
) -> None:
    """Train, judge and publish the next version."""
    import msgspec

    from loan_model.audit import audited, operator
    from loan_model.registry import Registry
    from loan_model.signing import Signer, Trust
    from loan_model.verdict import Verdict
    from training_job.progress import Progress
    from training_job.run import Training, run_training

    if not source:
        raise DataError("No data was given: name a file with --data; `loan data --output FILE` writes one.")
    training = Training(
        data=source,
        algorithm=algorithm.value,
        seed=seed,
        use_protected=tuple(use_protected or ()),
        threshold=threshold,
        holdout=holdout,
        run=run or uuid.uuid4().hex,
    )
    with audited("train", who=operator(), what=f"training {training.run}", why=f"training {training.run}") as doing:
        signer = Signer.read(signing_key) if signing_key else None
        if verify_key:
            Trust.read(verify_key).check_signer(signer)
        opened = Registry.open(registry, create=True, verify_key=verify_key)
        version = doing.what = run_training(training, opened, Progress(), signer).version
    verdict = Verdict.from_metrics(opened.read(version, "metrics.json"))
    line = msgspec.json.encode({"version": version, **msgspec.structs.asdict(verdict)}).decode()
    if result:
        result.write_text(line)
    if as_json:
        typer.echo(line)
        return
    typer.echo(f"Published {version}: the gate {'passed' if verdict.passed else 'failed'}.")
    for reason in verdict.reasons:
        typer.echo(f"  {reason}")
