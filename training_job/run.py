"""One training from a data file to a published version."""

import io
import platform
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

import loan_model
from tabular_model import evaluate, points, reference, report, results
from tabular_model.bundle import Bundler
from tabular_model.compatibility import recoded
from tabular_model.declaration import Declaration
from tabular_model.errors import IntegrityError
from tabular_model.estimators import FAMILIES, Family
from tabular_model.estimators.own_pipeline import OwnPipeline
from tabular_model.gate import Champion, judge
from tabular_model.manifest import Data, Manifest
from tabular_model.metrics import Quality
from tabular_model.parameters import AUTO, OWN, PARAMETERS, Parameters, named_as, parse
from tabular_model.points import Card
from tabular_model.reference import Reference
from tabular_model.registry import Registry
from tabular_model.results import Results
from tabular_model.schema import Column, Schema
from tabular_model.scoring.scorer import ONNX, Scorer
from tabular_model.signing import Signer
from tabular_model.storage import without_secrets
from training_job.data import load
from training_job.fit import Fitted, Fitting
from training_job.own_code import own_pipeline
from training_job.progress import Progress
from training_job.split import Rows, Split, split

LIBRARIES = ("loan-model", "numpy", "pandas", "scikit-learn", "onnx", "onnxruntime")


def _shipped() -> Declaration:
    return Declaration.read(loan_model.DECLARATION)


@dataclass(frozen=True, kw_only=True)
class Training:
    """What to train: `run` names it, so that a repeated one does not publish twice.

    `algorithm` and `parameters` go before the declaration's own; `holdout` is the share of rows kept for evaluation;
    `threshold` None means that one is chosen. `folder` is where the declaration's file stands, for a pipeline of its
    own; `search` is how many settings to try of the parameters that are not given.
    """

    data: str
    declaration: Declaration = field(default_factory=_shipped)
    algorithm: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    folder: Path | None = None
    search: int = 0
    use_protected: tuple[str, ...] = ()
    threshold: float | None = None
    holdout: float = 0.25
    run: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def asked(self) -> str:
        """The algorithm to train, or `auto`."""
        return self.algorithm or self._declared

    @cached_property
    def own(self) -> OwnPipeline | None:
        """The pipeline that the declaration names, or that is beside it."""
        return own_pipeline(self.declaration, self.folder)

    @property
    def _declared(self) -> str:
        return OWN if self.own else self.declaration.algorithm

    @property
    def given(self) -> dict[str, Any]:
        """The parameters that were given, here or by the declaration."""
        # What was declared for one algorithm says nothing of another that is asked for in its place.
        declared = self.declaration.parameters if self.asked == self._declared else {}
        return {**declared, **self.parameters}

    def candidates(self) -> dict[str, tuple[Family, Parameters]]:
        """The algorithms to compare, each with its parameters; ModelError for ones that there are not."""
        own = {OWN: self.own.parameters()} if self.asked == OWN and self.own else {}
        parsed = parse(self.asked, self.given, PARAMETERS | own)
        families: dict[str, Family] = FAMILIES | ({OWN: self.own} if self.own else {})
        return {name: (families[name], parameters) for name, parameters in parsed.items()}


def run_training(
    training: Training,
    registry: Registry,
    progress: Progress,
    signer: Signer | None = None,
    bundler: Bundler | None = None,
) -> Manifest:
    """Train as asked and publish the version, signed if there are keys, whatever the gate's verdict.

    Nothing is published when an error is raised: DataError for a file that cannot be trained on, CompileError
    when the compiled model differs from the pipeline.
    """
    if published := registry.find_run(training.run):
        progress.say(f"Run {training.run} has already published {published.version}.")
        return published
    declaration = training.declaration
    features = declaration.schema.features(training.use_protected)
    candidates = training.candidates()
    champion = registry.champion()
    parent = champion or registry.latest()
    with progress.step(f"Load {without_secrets(training.data)}"):
        data = load(training.data, declaration)
        parts = split(data, training.holdout, training.seed)
    notes = (*data.notes, *parts.notes)
    for note in notes:
        progress.say(note)
    with threadpool_limits(limits=1):  # the same sums on every machine, and no waiting where cores are shared
        fitting = Fitting(declaration.schema, features, training.seed, training.threshold, progress)
        fitted = fitting.choose(
            parts.train, candidates, training.search, tuple(named_as(training.asked, training.given))
        )
        with progress.step(f"Evaluate it on {len(parts.holdout.target)} rows of the holdout"):
            found = _measure(fitted, parts, features, training, registry, champion, notes)
    made = datetime.now(UTC)
    with progress.step("Write the report"):
        facts = _facts(training, fitted, features, made) | {
            "Data": data.source,
            "sha256 of the data": data.sha256,
            "Holdout": parts.how,
        }
        seen = parts.holdout.target, fitted.score(parts.holdout)
        card = Card.decode(fitted.files[points.FILE]) if points.FILE in fitted.files else None
        page = report.render(found, declaration.model, declaration.schema, facts, data.frame, data.target, seen, card)
    files = {
        **fitted.files,
        "model.joblib": _pickled(fitted.pipeline),
        results.FILE: found.encode(),
        reference.FILE: _reference(fitted, parts.train, declaration.schema).encode(),
        report.FILE: page,
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
            data=Data(
                source=data.source,
                rows=len(data.target),
                sha256=data.sha256,
                holdout=training.holdout,
                group=declaration.group,
                time=declaration.time,
            ),
            libraries=_libraries(),
            parent=parent,
            files=digests,
            id=declaration.id or UNSET,
            law=declaration.law or UNSET,
            compiled=fitted.compiled,
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


def _measure(
    fitted: Fitted,
    parts: Split,
    features: Sequence[str],
    training: Training,
    registry: Registry,
    champion: str | None,
    notes: tuple[str, ...],
) -> Results:
    schema, seed = training.declaration.schema, training.seed
    train, holdout = parts.train, parts.holdout
    target, score, threshold = holdout.target, fitted.score(holdout), fitted.threshold
    quality = Quality.of(target, score, seed)
    rival, unlike = _against(champion, registry, schema, holdout, score, seed)
    leaks = evaluate.leaks([schema[name] for name in features], train.frame, train.target, holdout.frame, target)
    return Results(
        verdict=judge(quality, fitted.cross_validation[fitted.algorithm], fitted.compiled, rival, leaks),
        threshold=threshold,
        holdout=quality,
        decisions=evaluate.Decisions.of(target, score, threshold.value),
        reliability=evaluate.reliability(target, score, seed),
        segments={
            column.name: evaluate.by_segment(
                column, holdout.frame[column.name].to_numpy(), target, score, threshold.value, seed
            )
            for column in schema.columns
            if column.protected
        },
        periods=[] if holdout.times is None else evaluate.by_period(holdout.times, target, score, seed),
        importance=evaluate.importance(fitted.pipeline, holdout.frame, target, seed),
        cross_validation=fitted.cross_validation,
        search=fitted.search,
        champion=rival,
        compiled=fitted.compiled,
        notes=notes + unlike,
    )


def _against(
    champion: str | None, registry: Registry, schema: Schema, holdout: Rows, score: NDArray[np.float64], seed: int
) -> tuple[Champion | None, tuple[str, ...]]:
    """The champion on the same rows; where it takes other columns, none, and a note that says so."""
    if champion is None:
        return None, ()
    columns = registry.manifest(champion).schema
    matrix = recoded(holdout.frame.to_numpy(), schema, columns)
    if matrix is None:
        return None, (f"The champion {champion} was not compared: it has columns that these data do not have.",)
    scorer = Scorer({ONNX: registry.read(champion, ONNX)}, champion)
    return Champion.compare(champion, holdout.target, score, scorer.probabilities(matrix), seed), ()


def _reference(fitted: Fitted, train: Rows, schema: Schema) -> Reference:
    return Reference.of(schema, train.frame.to_numpy(), fitted.score(train), fitted.threshold.value)


def _pickled(pipeline: Pipeline) -> bytes:
    written = io.BytesIO()
    joblib.dump(pipeline, written, compress=3)
    return written.getvalue()


def _libraries() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: installed(name) for name in LIBRARIES}


def _facts(training: Training, fitted: Fitted, features: Sequence[str], made: datetime) -> dict[str, str]:
    """How the version was made, for the report."""
    parameters = msgspec.structs.asdict(fitted.parameters)
    return {
        "Trained": f"{made:%Y-%m-%d %H:%M} UTC",
        "Algorithm": fitted.algorithm,
        "Chosen": "by cross-validated log loss" if training.asked == AUTO else "by the caller",
        "Parameters": ", ".join(f"{name} {value}" for name, value in parameters.items()),
        "Columns": ", ".join(features),
        "Seed": str(training.seed),
        "Run": training.run,
        "Libraries": ", ".join(f"{name} {version}" for name, version in _libraries().items()),
    }
