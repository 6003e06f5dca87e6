"""The command train."""

import uuid
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loan_cli.options import is_given, of_spark, pairs
from tabular_model.errors import DataError
from training_job.launch import SEEDS

if TYPE_CHECKING:
    from training_job.learned import Engine


class Choice(StrEnum):
    """The algorithms: auto compares logistic and gradient_boosting, pipeline is the declaration's own code."""

    auto = "auto"
    logistic = "logistic"
    gradient_boosting = "gradient_boosting"
    scorecard = "scorecard"
    pipeline = "pipeline"


class Where(StrEnum):
    """The engines that `loan train` keeps rows in."""

    auto = "auto"
    memory = "memory"
    stream = "stream"
    spark = "spark"


def train(
    context: typer.Context,
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
    commit: Annotated[
        str, typer.Option(envvar="LOAN_COMMIT", help="Commit of the source that trains, for the version's lineage.")
    ] = "",
    job: Annotated[
        str, typer.Option(envvar="LOAN_JOB", help="Kubernetes Job that this runs in, for the version's lineage.")
    ] = "",
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
    engine: Annotated[
        Where,
        typer.Option(
            envvar="LOAN_ENGINE",
            help="memory: all rows in this process. stream: pages on disk. spark: executors. auto: what fits.",
        ),
    ] = Where.auto,
    master: Annotated[str, of_spark("Where Spark runs; by default on all cores of this machine.")] = "local[*]",
    conf: Annotated[list[str], of_spark("Setting of Spark. Repeatable.", metavar="KEY=VALUE")] = [],  # noqa: B006
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
    from tabular_model.lineage.cli import follow
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
        commit=commit,
        job=job,
    )
    with audited("train", who=operator(), what=f"training {training.run}", why=f"training {training.run}") as doing:
        signer = Signer.read(signing_key) if signing_key else None
        bundler = Bundler.read(bundle_key) if bundle_key else None
        if verify_key:
            Trust.read(verify_key).check_signer(signer)
        opened = Registry.open(registry, create=True, verify_key=verify_key)
        chosen = _engine(context, engine, master, pairs("--conf", conf))
        version = doing.what = run_training(training, opened, Progress(), signer, bundler, chosen).version
    follow(opened, version)
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


def _engine(context: typer.Context, asked: Where, master: str, settings: dict[str, str]) -> "Engine":
    """DataError for options of Spark that another engine has no use for."""
    from training_job.engines import Automatic
    from training_job.in_memory import InMemory
    from training_job.out_of_core.engine import OutOfCore

    given = [name for name in ("master", "conf") if is_given(context, name)]
    if asked in (Where.memory, Where.stream) and given:
        raise DataError(f"--{given[0]} is for --engine spark.")
    if asked is Where.memory:
        return InMemory()
    if asked is Where.stream:
        return OutOfCore()
    if asked is Where.auto and not given:
        return Automatic()
    from loan_cli.spark import training_on_spark

    on_spark = OutOfCore(training_on_spark(master, settings))
    return on_spark if asked is Where.spark else Automatic(on_spark)
