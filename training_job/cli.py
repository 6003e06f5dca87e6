"""The commands that make data and train on it."""

import uuid
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tabular_model.errors import DataError, ModelError
from training_job.launch import SEEDS

if TYPE_CHECKING:
    from tabular_model.metrics import Estimate
    from training_job.compare import Comparison


class Choice(StrEnum):
    """The algorithms: auto compares logistic and gradient_boosting, pipeline is the declaration's own code."""

    auto = "auto"
    logistic = "logistic"
    gradient_boosting = "gradient_boosting"
    scorecard = "scorecard"
    pipeline = "pipeline"


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


def train(
    source: Annotated[
        str, typer.Option("--data", envvar="LOAN_DATA", help="CSV or Parquet file: a path or a URL such as s3://….")
    ] = "",
    registry: Annotated[
        str, typer.Option("--registry", envvar="LOAN_REGISTRY", help="Folder or bucket URL to publish to.")
    ] = "files/model_version",
    model: Annotated[
        Path | None,
        typer.Option("--model", envvar="LOAN_MODEL", help="File that declares the model; by default the loan model's."),
    ] = None,
    algorithm: Annotated[
        Choice | None,
        typer.Option(
            envvar="LOAN_ALGORITHM",
            help="By default the declaration's; auto compares logistic and gradient_boosting.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the algorithm, such as max_iter; repeatable."),
    ] = None,
    search: Annotated[
        int,
        typer.Option(
            envvar="LOAN_SEARCH",
            min=0,
            max=1000,
            metavar="N",
            help="Try N settings, and report how certain the best is.",
        ),
    ] = 0,
    seed: Annotated[
        int, typer.Option(envvar="LOAN_SEED", min=0, max=SEEDS, help="The same data and seed give the same model.")
    ] = 0,
    use_protected: Annotated[
        list[str] | None,
        typer.Option("--use-protected", metavar="COLUMN", help="Train on this protected column too; repeatable."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Lowest probability to approve; by default chosen.")
    ] = None,
    holdout: Annotated[float, typer.Option(min=0.1, max=0.5, help="Share of the rows in the holdout.")] = 0.25,
    run: Annotated[
        str | None, typer.Option(envvar="LOAN_RUN", help="Name of this training; a retry publishes no second version.")
    ] = None,
    signing_key: Annotated[
        Path | None,
        typer.Option(envvar="LOAN_SIGNING_KEY", help="PEM file of the Ed25519 key to sign the version with."),
    ] = None,
    bundle_key: Annotated[
        Path | None,
        typer.Option(
            envvar="LOAN_BUNDLE_KEY",
            help="PEM file of the key on P-256, P-384 or P-521 to sign the version with for other tools (model.sig).",
        ),
    ] = None,
    verify_key: Annotated[
        Path | None,
        typer.Option(envvar="LOAN_VERIFY_KEY", help="PEM file of public keys; other keys' versions are rejected."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
    result: Annotated[Path | None, typer.Option(envvar="LOAN_RESULT", help="File to write the same line to.")] = None,
) -> None:
    """Train, evaluate and publish the next version."""
    import msgspec

    import loan_model
    from tabular_model.audit import audited, operator
    from tabular_model.bundle import Bundler
    from tabular_model.declaration import Declaration
    from tabular_model.errors import RegistryError
    from tabular_model.parameters import assignments
    from tabular_model.registry import Registry
    from tabular_model.signing import Signer, Trust
    from tabular_model.storage import OCI
    from tabular_model.verdict import Verdict
    from training_job.progress import Progress
    from training_job.run import Training, run_training

    if not source:
        raise DataError("No data was given: use --data FILE; `loan data --output FILE` writes such a file.")
    if registry.startswith(OCI):
        raise RegistryError(
            f"A training publishes to a folder or a bucket; `loan versions push` then copies a version to {registry}."
        )
    declared = model or loan_model.DECLARATION
    training = Training(
        data=source,
        declaration=Declaration.read(declared),
        folder=declared.parent,
        algorithm=algorithm.value if algorithm else None,
        parameters=assignments(settings or ()),
        search=search,
        seed=seed,
        use_protected=tuple(use_protected or ()),
        threshold=threshold,
        holdout=holdout,
        run=run or uuid.uuid4().hex,
    )
    with audited("train", who=operator(), what=f"training {training.run}", why=f"training {training.run}") as doing:
        signer = Signer.read(signing_key) if signing_key else None
        bundler = Bundler.read(bundle_key) if bundle_key else None
        if verify_key:
            Trust.read(verify_key).check_signer(signer)
        opened = Registry.open(registry, create=True, verify_key=verify_key)
        version = doing.what = run_training(training, opened, Progress(), signer, bundler).version
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
