"""What an engine makes of a training's data: a fitted model, and what was measured of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabular_model import evaluate
from tabular_model.compatibility import recoded
from tabular_model.evaluate import Decisions, Judged, Period
from tabular_model.explain import explainer
from tabular_model.explain.checks import Explained
from tabular_model.explain.withheld import withheld
from tabular_model.gate import Champion, judge
from tabular_model.manifest import Data
from tabular_model.proxies import proxies
from tabular_model.reference import Reference
from tabular_model.registry import Registry
from tabular_model.results import Results
from tabular_model.schema import Schema
from tabular_model.scoring.scorer import ONNX, Scorer
from tabular_model.tradeoffs import tradeoffs
from training_job.fit import Fitted
from training_job.progress import Progress
from training_job.split import Rows
from training_job.training import Training

MOST = 50_000  # rows of the holdout on which importance, leaks and the champion are judged


class Shown(NamedTuple):
    """What the report draws: rows with their target [n], and of the holdout the target and the score [m]."""

    frame: pd.DataFrame
    target: NDArray[np.int64]
    holdout: NDArray[np.int64]
    score: NDArray[np.float64]


@dataclass(frozen=True)
class Learned:
    """A model and all that a version says of it; `how` says by which rule the holdout was chosen.

    `engine` is empty for rows in memory, and `libraries` the versions of those that it took besides the usual.
    """

    fitted: Fitted
    results: Results
    reference: Reference
    data: Data
    how: str
    shown: Shown
    engine: str = ""
    libraries: Mapping[str, str] = field(default_factory=dict)


class Engine(Protocol):
    """Where and how rows are kept while a model is trained on them."""

    def learn(self, training: Training, registry: Registry, progress: Progress) -> Learned:
        """Trains and measures, publishes nothing; ModelError says why not."""


class Measured(NamedTuple):
    """What the model did on the holdout; `rows` are those of it, or a sample, that are looked at one by one.

    `bands` are its rows in each group of each protected column.
    """

    judged: Judged
    bands: dict[str, list[tuple[str, Judged]]]
    periods: list[Period]
    rows: Rows
    score: NDArray[np.float64]


def results(
    fitted: Fitted,
    measured: Measured,
    train: Rows,
    reference: Reference,
    training: Training,
    registry: Registry,
    notes: Sequence[str],
) -> Results:
    """The metrics and the gate's verdict on them."""
    schema, seed = training.declaration.schema, training.seed
    holdout, places = measured.rows.few(MOST, seed)
    measured = measured._replace(rows=holdout, score=measured.score[places])
    judged = measured.judged
    threshold = fitted.threshold.value
    quality = judged.quality(seed)
    rival, unlike = _against(registry, schema, measured, seed)
    names = schema.features(training.use_protected)
    features = [schema[name] for name in names]
    leaks = evaluate.leaks(features, train.frame, train.target, holdout.frame, holdout.target)
    rows, explained = holdout.frame.to_numpy(), _reasons(fitted, schema, names, reference)
    reasons = explained.check(rows, train.frame.to_numpy(), seed)
    predicted = proxies(schema, names, train.frame.to_numpy(), rows, seed)
    validated = fitted.cross_validation[fitted.algorithm]
    return Results(
        verdict=judge(quality, validated, fitted.compiled, rival, leaks, reasons, predicted, schema.proxy_limits),
        threshold=fitted.threshold,
        holdout=quality,
        decisions=Decisions.of(judged.target, judged.score, threshold, judged.counts),
        reliability=evaluate.reliability(judged.target, judged.score, seed, judged.counts),
        segments={column: evaluate.segments(found, threshold, seed) for column, found in measured.bands.items()},
        tradeoffs=tradeoffs(judged, measured.bands, threshold),
        periods=measured.periods,
        importance=evaluate.importance(fitted.pipeline, holdout.frame, holdout.target, seed),
        cross_validation=fitted.cross_validation,
        search=fitted.search,
        proxies=predicted,
        reasons=reasons,
        withheld=withheld(explained.explainer, schema.columns, names, rows, measured.score < threshold),
        champion=rival,
        compiled=fitted.compiled,
        notes=(*notes, *unlike),
    )


def _reasons(fitted: Fitted, schema: Schema, features: Sequence[str], reference: Reference) -> Explained:
    """The model as it serves."""
    score = Scorer(fitted.files, "the compiled model").probabilities
    explained = explainer(fitted.files, score, schema.columns, features, reference.baseline)
    return Explained(schema.columns, score, explained, fitted.threshold.value)


def _against(
    registry: Registry, schema: Schema, measured: Measured, seed: int
) -> tuple[Champion | None, tuple[str, ...]]:
    """The champion on the same rows; where it takes other columns, none, and a note that says so."""
    champion = registry.champion()
    if champion is None:
        return None, ()
    columns = registry.manifest(champion).schema
    rows = measured.rows
    matrix = recoded(rows.frame.to_numpy(), schema, columns)
    if matrix is None:
        return None, (f"The champion {champion} was not compared: it has columns that these data do not have.",)
    scorer = Scorer({ONNX: registry.read(champion, ONNX)}, champion)
    return Champion.compare(champion, rows.target, measured.score, scorer.probabilities(matrix), seed), ()
