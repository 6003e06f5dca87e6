"""One training from a data file to a published version."""

import io
import platform
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version as installed

import joblib
import msgspec
from msgspec import UNSET
from sklearn.pipeline import Pipeline

from tabular_model import points, reference, report, results
from tabular_model.bundle import Bundler
from tabular_model.declaration import Declaration
from tabular_model.errors import IntegrityError
from tabular_model.manifest import Manifest
from tabular_model.parameters import AUTO
from tabular_model.points import Card
from tabular_model.registry import Registry
from tabular_model.schema import Column
from tabular_model.signing import Signer
from training_job.in_memory import InMemory
from training_job.learned import Engine, Learned
from training_job.progress import Progress
from training_job.training import Training

__all__ = ["Training", "run_training"]

LIBRARIES = ("loan-model", "numpy", "pandas", "scikit-learn", "onnx", "onnxruntime")


def run_training(
    training: Training,
    registry: Registry,
    progress: Progress,
    signer: Signer | None = None,
    bundler: Bundler | None = None,
    engine: Engine | None = None,
) -> Manifest:
    """Train as asked and publish the version, signed if there are keys, whatever the gate's verdict.

    `engine` keeps the rows, in memory by default. Nothing is published when an error is raised: DataError for a file
    that cannot be trained on, CompileError when the compiled model differs from the pipeline.
    """
    if published := registry.find_run(training.run):
        progress.say(f"Run {training.run} has already published {published.version}.")
        return published
    declaration = training.declaration
    parent = registry.champion() or registry.latest()
    learned = (engine or InMemory()).learn(training, registry, progress)
    fitted = learned.fitted
    made = datetime.now(UTC)
    features = declaration.schema.features(training.use_protected)
    with progress.step("Write the report"):
        files = {
            **fitted.files,
            "model.joblib": _pickled(fitted.pipeline),
            results.FILE: learned.results.encode(),
            reference.FILE: learned.reference.encode(),
            report.FILE: _report(training, learned, _facts(training, learned, features, made)),
        }
    columns = _columns(declaration, registry, parent)

    def describe(version: str, digests: dict[str, str]) -> Manifest:
        return Manifest(
            model=declaration.model,
            version=version,
            run=training.run,
            created=made,
            schema=columns,
            target=declaration.target,
            features=features,
            protected=declaration.schema.protected,
            threshold=fitted.threshold.value,
            algorithm=fitted.algorithm,
            parameters=msgspec.structs.asdict(fitted.parameters),
            seed=training.seed,
            data=learned.data,
            libraries=_libraries(learned),
            parent=parent,
            files=digests,
            id=declaration.id or UNSET,
            law=declaration.law or UNSET,
            compiled=fitted.compiled,
            engine=learned.engine or UNSET,
            commit=training.commit or UNSET,
            job=training.job or UNSET,
        )

    with progress.step(f"Publish to {registry.url}"):
        return registry.publish(files, describe, signer, bundler)


def _columns(declaration: Declaration, registry: Registry, parent: str | None) -> tuple[Column, ...]:
    """The declared columns, of which those that the parent did not have may be left out of a request.

    Callers that were written for the parent go on being answered: the value is missing where it may be.
    """
    before: tuple[Column, ...] = ()
    with suppress(IntegrityError):  # a version that was changed must not keep others from training
        before = registry.manifest(parent).schema if parent else ()
    if not before:
        return declaration.columns
    known = {column.name for column in before if not column.optional}
    return tuple(
        msgspec.structs.replace(column, optional=True) if column.missing and column.name not in known else column
        for column in declaration.columns
    )


def _report(training: Training, learned: Learned, facts: dict[str, str]) -> bytes:
    declaration, files, shown = training.declaration, learned.fitted.files, learned.shown
    card = Card.decode(files[points.FILE]) if points.FILE in files else None
    seen = shown.holdout, shown.score
    return report.render(
        learned.results, declaration.model, declaration.schema, facts, shown.frame, shown.target, seen, card
    )


def _pickled(pipeline: Pipeline) -> bytes:
    written = io.BytesIO()
    joblib.dump(pipeline, written, compress=3)
    return written.getvalue()


def _libraries(learned: Learned) -> dict[str, str]:
    usual = {"python": platform.python_version()} | {name: installed(name) for name in LIBRARIES}
    return {**usual, **learned.libraries}


def _facts(training: Training, learned: Learned, features: Sequence[str], made: datetime) -> dict[str, str]:
    """How the version was made, for the report."""
    parameters = msgspec.structs.asdict(learned.fitted.parameters)
    return {
        "Trained": f"{made:%Y-%m-%d %H:%M} UTC",
        "Algorithm": learned.fitted.algorithm,
        "Chosen": "by cross-validated log loss" if training.asked == AUTO else "by the caller",
        "Parameters": ", ".join(f"{name} {value}" for name, value in parameters.items()),
        "Columns": ", ".join(features),
        "Seed": str(training.seed),
        "Run": training.run,
        "Libraries": ", ".join(f"{name} {version}" for name, version in _libraries(learned).items()),
        "Data": learned.data.source,
        "sha256 of the data": learned.data.sha256,
        "Holdout": learned.how,
    }
