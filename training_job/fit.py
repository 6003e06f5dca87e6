"""From rows to the model that serves: the algorithm and its parameters chosen, fitted, compiled and compared."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from tabular_model import evaluate, search
from tabular_model.comparison import Comparison
from tabular_model.errors import ModelError, first_line
from tabular_model.estimators import Family, probability
from tabular_model.estimators.equality import check_equal
from tabular_model.estimators.own_pipeline import OwnPipeline
from tabular_model.evaluate import CrossValidation, Threshold
from tabular_model.parameters import Parameters, named_as
from tabular_model.schema import Schema
from tabular_model.scoring.scorer import Scorer
from tabular_model.search import Search
from training_job.progress import Progress
from training_job.split import Rows
from training_job.training import Training

Candidates = Mapping[str, tuple[Family, Parameters]]


class Fit(Protocol):
    """How the chosen algorithm is fitted."""

    def __call__(self, algorithm: str, parameters: Parameters, pipeline: Pipeline, train: Rows, /) -> Pipeline:
        """The fitted pipeline, from one that is not."""


def fit_to_rows(algorithm: str, parameters: Parameters, pipeline: Pipeline, train: Rows) -> Pipeline:  # noqa: ARG001
    """To the rows that it was chosen on."""
    return pipeline.fit(train.frame, train.target)


@dataclass(frozen=True)
class Fitted:
    """The model that cross-validation chose, fitted to all training rows, and its compiled form."""

    algorithm: str
    parameters: Parameters
    pipeline: Pipeline
    cross_validation: dict[str, CrossValidation]
    search: Search | None
    threshold: Threshold
    files: Mapping[str, bytes]
    compiled: Comparison

    def score(self, rows: Rows) -> NDArray[np.float64]:
        """The probability of approval [n] by the model as it serves."""
        return Scorer(self.files, "the compiled model").probabilities(rows.frame.to_numpy())


@dataclass(frozen=True)
class Fitting:
    """How to fit: the columns to train on, and in place of a chosen `threshold` one that is given.

    That many `settings` are tried of the chosen candidate's parameters that were not `given`; 0 for none.
    """

    schema: Schema
    features: Sequence[str]
    seed: int
    threshold: float | None
    candidates: Candidates
    settings: int
    given: Sequence[str]
    progress: Progress

    @classmethod
    def of(cls, training: Training, progress: Progress) -> "Fitting":
        """As the training asks; ModelError for algorithms or parameters that there are not."""
        schema = training.declaration.schema
        return cls(
            schema=schema,
            features=schema.features(training.use_protected),
            seed=training.seed,
            threshold=training.threshold,
            candidates=training.candidates(),
            settings=training.search,
            given=tuple(named_as(training.asked, training.given)),
            progress=progress,
        )

    def choose(self, train: Rows, fit: Fit = fit_to_rows) -> Fitted:
        """The candidate of least cross-validated log loss, fitted by `fit`."""
        validated: dict[str, tuple[CrossValidation, NDArray[np.float64]]] = {}
        for algorithm, (family, parameters) in self.candidates.items():
            with self.progress.step(f"Cross-validate {algorithm}"), refusals(algorithm, family):
                validated[algorithm] = self._validated(train, family, parameters)
        chosen = min(validated, key=lambda algorithm: validated[algorithm][0].mean_log_loss)
        family, parameters = self.candidates[chosen]
        found = None
        if self.settings:
            with self.progress.step(f"Search the settings of {chosen}"), refusals(chosen, family):
                tried = self._built(family, parameters)
                found = search.halving(
                    chosen, tried, self.given, self.settings, train.frame, train.target, self.seed, train.groups
                )
            self.progress.say(found.said())
            if found.better:
                parameters = found.applied(parameters)
                validated[chosen] = self._validated(train, family, parameters)
        with self.progress.step(f"Fit {chosen}"), refusals(chosen, family):
            pipeline = fit(chosen, parameters, self._built(family, parameters), train)
        threshold = self._threshold(train, pipeline, validated[chosen][1])
        with self.progress.step("Compile the model and compare"):
            compiled = family.compile(pipeline, self.schema)
            comparison = check_equal(pipeline, compiled, self.schema, threshold.value, self.seed)
        scores = {algorithm: score for algorithm, (score, _) in validated.items()}
        return Fitted(chosen, parameters, pipeline, scores, found, threshold, compiled.files, comparison)

    def _validated(
        self, train: Rows, family: Family, parameters: Parameters
    ) -> tuple[CrossValidation, NDArray[np.float64]]:
        pipeline = self._built(family, parameters)
        return evaluate.cross_validate(pipeline, train.frame, train.target, self.seed, train.groups)

    def _threshold(self, train: Rows, pipeline: Pipeline, unseen: NDArray[np.float64]) -> Threshold:
        if self.threshold is not None:
            return Threshold(self.threshold, "was given")
        return evaluate.choose_threshold(train.target, unseen, probability(pipeline, train.frame))

    def _built(self, family: Family, parameters: Parameters) -> Pipeline:
        return family.build(self.schema, self.features, parameters, self.seed)


@contextmanager
def refusals(algorithm: str, family: Family) -> Iterator[None]:
    """Rejects parameters that do not work with the data, with a sentence."""
    if isinstance(family, OwnPipeline):
        with family.failing("on these data"):
            yield
        return
    try:
        yield
    except ValueError as error:
        raise ModelError(f"{algorithm} cannot be trained on these data: {first_line(error)}.") from error
