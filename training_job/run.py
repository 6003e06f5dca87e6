"""One training from a data file to a published version."""

import io
import platform
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version as installed
from typing import Literal

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from loan_model import evaluate, reference, report, results
from loan_model.compile import Comparison, check_equal, compile_pipeline
from loan_model.evaluate import CrossValidation, Threshold
from loan_model.gate import Champion, judge
from loan_model.manifest import Data, Manifest
from loan_model.metrics import Quality
from loan_model.pipeline import ALGORITHMS, PARAMETERS, Algorithm, build, features, probability
from loan_model.reference import Reference
from loan_model.registry import Registry
from loan_model.results import Results
from loan_model.schema import SCHEMA
from loan_model.scorer import ONNX, Scorer
from loan_model.signing import Signer
from loan_model.storage import without_secrets
from training_job.data import Dataset, load
from training_job.progress import Progress

LIBRARIES = ("numpy", "pandas", "scikit-learn", "onnx", "onnxruntime")


@dataclass(frozen=True, kw_only=True)
class Training:
    """What to train: `run` names it, so that a repeated one does not publish twice.

    `holdout` is the share of rows kept for judging; `threshold` None means that one is chosen.
    """

    data: str
    algorithm: Literal["auto"] | Algorithm = "auto"
    seed: int = 0
    use_protected: tuple[str, ...] = ()
    threshold: float | None = None
    holdout: float = 0.25
    run: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class Rows:
    """Part of a data set: its columns [n, columns of the schema] and its target [n]."""

    frame: pd.DataFrame
    target: NDArray[np.int64]


@dataclass(frozen=True)
class Fitted:
    """The model that cross-validation chose, fitted to all training rows, and its compiled form."""

    algorithm: Algorithm
    pipeline: Pipeline
    cross_validation: dict[Algorithm, CrossValidation]
    threshold: Threshold
    files: dict[str, bytes]
    compiled: Comparison

    def score(self, rows: Rows) -> NDArray[np.float64]:
        """The probability of approval [n] by the model as it serves."""
        return Scorer(self.files, "the compiled model").probabilities(rows.frame.to_numpy())


def run_training(training: Training, registry: Registry, progress: Progress, signer: Signer | None = None) -> Manifest:
    """Train as asked and publish the version, signed if there is a key, whatever the gate says of it.

    Nothing is published when an error is raised: DataError for a file that cannot be trained on, CompileError
    when the compiled model differs from the pipeline.
    """
    if published := registry.find_run(training.run):
        progress.say(f"Run {training.run} has already published {published.version}.")
        return published
    columns = features(training.use_protected)
    champion = registry.champion()
    parent = champion or registry.latest()
    with progress.step(f"Load {without_secrets(training.data)}"):
        data = load(training.data)
    for note in data.notes:
        progress.say(note)
    train, holdout = _split(data, training)
    with threadpool_limits(limits=1):  # the same sums on every machine, and no waiting where cores are shared
        fitted = _fit(train, columns, training, progress)
        with progress.step(f"Judge it on {len(holdout.target)} rows that it has not seen"):
            found = _measure(fitted, holdout, registry, champion, data.notes, training.seed)
    made = datetime.now(UTC)
    with progress.step("Write the report"):
        facts = _facts(training, data, fitted, columns, made)
        seen = holdout.target, fitted.score(holdout)
        page = report.render(found, facts, data.frame, data.target, seen)
    files = {
        **fitted.files,
        "model.joblib": _pickled(fitted.pipeline),
        results.FILE: found.encode(),
        reference.FILE: _reference(fitted, train).encode(),
        report.FILE: page,
    }

    def describe(version: str, digests: dict[str, str]) -> Manifest:
        return Manifest(
            version=version,
            run=training.run,
            created=made,
            schema=SCHEMA.columns,
            target=SCHEMA.target,
            features=columns,
            protected=SCHEMA.protected,
            threshold=fitted.threshold.value,
            algorithm=fitted.algorithm,
            parameters=PARAMETERS[fitted.algorithm],
            seed=training.seed,
            data=Data(source=data.source, rows=len(data.target), sha256=data.sha256),
            libraries=_libraries(),
            parent=parent,
            files=digests,
        )

    with progress.step(f"Publish to {registry.url}"):
        return registry.publish(files, describe, signer)


def _split(data: Dataset, training: Training) -> tuple[Rows, Rows]:
    """The rows to train on and those held out, each with the same share of approvals."""
    train, holdout = train_test_split(
        np.arange(len(data.target)), test_size=training.holdout, stratify=data.target, random_state=training.seed
    )
    return Rows(data.frame.iloc[train], data.target[train]), Rows(data.frame.iloc[holdout], data.target[holdout])


def _fit(train: Rows, columns: Sequence[str], training: Training, progress: Progress) -> Fitted:
    """Choose by cross-validated log loss, fit to all training rows, choose a threshold, compile and compare."""
    scores: dict[Algorithm, CrossValidation] = {}
    unseen: dict[Algorithm, NDArray[np.float64]] = {}
    for algorithm in ALGORITHMS if training.algorithm == "auto" else (training.algorithm,):
        with progress.step(f"Cross-validate {algorithm}"):
            candidate = build(algorithm, columns, training.seed)
            scores[algorithm], unseen[algorithm] = evaluate.cross_validate(
                candidate, train.frame, train.target, training.seed
            )
    chosen = min(scores, key=lambda algorithm: scores[algorithm].mean_log_loss)
    with progress.step(f"Fit {chosen} to {len(train.target)} rows"):
        pipeline = build(chosen, columns, training.seed).fit(train.frame, train.target)
    threshold = (
        Threshold(training.threshold, "was given")
        if training.threshold is not None
        else evaluate.choose_threshold(train.target, unseen[chosen], probability(pipeline, train.frame))
    )
    with progress.step("Compile it and compare"):
        files = compile_pipeline(pipeline)
        compiled = check_equal(pipeline, files, threshold.value, training.seed)
    return Fitted(chosen, pipeline, scores, threshold, files, compiled)


def _measure(
    fitted: Fitted, holdout: Rows, registry: Registry, champion: str | None, notes: tuple[str, ...], seed: int
) -> Results:
    target, score, threshold = holdout.target, fitted.score(holdout), fitted.threshold
    quality = Quality.of(target, score, seed)
    rival = _against(champion, registry, holdout, score, seed) if champion else None
    return Results(
        verdict=judge(quality, fitted.cross_validation[fitted.algorithm], fitted.compiled, rival),
        threshold=threshold,
        holdout=quality,
        decisions=evaluate.Decisions.of(target, score, threshold.value),
        reliability=evaluate.reliability(target, score, seed),
        segments={
            name: evaluate.by_segment(name, holdout.frame[name].to_numpy(), target, score, threshold.value, seed)
            for name in SCHEMA.protected
        },
        importance=evaluate.importance(fitted.pipeline, holdout.frame, target, seed),
        cross_validation=fitted.cross_validation,
        champion=rival,
        compiled=fitted.compiled,
        notes=notes,
    )


def _against(champion: str, registry: Registry, holdout: Rows, score: NDArray[np.float64], seed: int) -> Champion:
    scorer = Scorer({ONNX: registry.read(champion, ONNX)}, champion)
    return Champion.compare(champion, holdout.target, score, scorer.probabilities(holdout.frame.to_numpy()), seed)


def _reference(fitted: Fitted, train: Rows) -> Reference:
    return Reference.of(SCHEMA, train.frame.to_numpy(), fitted.score(train), fitted.threshold.value)


def _pickled(pipeline: Pipeline) -> bytes:
    written = io.BytesIO()
    joblib.dump(pipeline, written, compress=3)
    return written.getvalue()


def _libraries() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: installed(name) for name in LIBRARIES}


def _facts(training: Training, data: Dataset, fitted: Fitted, columns: Sequence[str], made: datetime) -> dict[str, str]:
    """How the version was made, for the report."""
    return {
        "Trained": f"{made:%Y-%m-%d %H:%M} UTC",
        "Algorithm": fitted.algorithm,
        "Chosen": "by cross-validated log loss" if training.algorithm == "auto" else "by the caller",
        "Parameters": ", ".join(f"{name} {value}" for name, value in PARAMETERS[fitted.algorithm].items()),
        "Columns": ", ".join(columns),
        "Data": data.source,
        "sha256 of the data": data.sha256,
        "Holdout": f"{100 * training.holdout:g} % of the rows, stratified",
        "Seed": str(training.seed),
        "Run": training.run,
        "Libraries": ", ".join(f"{name} {version}" for name, version in _libraries().items()),
    }
