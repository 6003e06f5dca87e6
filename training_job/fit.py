"""From rows to the model that serves: the algorithm and its parameters chosen, fitted, compiled and compared."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from tabular_model import evaluate, search
from tabular_model.comparison import Comparison
from tabular_model.errors import ModelError
from tabular_model.estimators import Family, probability
from tabular_model.estimators.equality import check_equal
from tabular_model.estimators.own_pipeline import OwnPipeline
from tabular_model.evaluate import CrossValidation, Threshold
from tabular_model.parameters import Parameters
from tabular_model.schema import Schema
from tabular_model.scoring.scorer import Scorer
from tabular_model.search import Search
from training_job.progress import Progress
from training_job.split import Rows

Candidates = Mapping[str, tuple[Family, Parameters]]


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
    """How to fit: the columns to train on, and in place of a chosen `threshold` one that is given."""

    schema: Schema
    features: Sequence[str]
    seed: int
    threshold: float | None
    progress: Progress

    def choose(self, train: Rows, candidates: Candidates, settings: int, given: Sequence[str]) -> Fitted:
        """The candidate of least cross-validated log loss, fitted to all rows.

        That many settings are tried of its parameters that were not `given`; 0 for none.
        """
        scores: dict[str, CrossValidation] = {}
        unseen: dict[str, NDArray[np.float64]] = {}
        for algorithm, (family, parameters) in candidates.items():
            with self.progress.step(f"Cross-validate {algorithm}"), refusals(algorithm, family):
                candidate = self._built(family, parameters)
                scores[algorithm], unseen[algorithm] = evaluate.cross_validate(
                    candidate, train.frame, train.target, self.seed, train.groups
                )
        chosen = min(scores, key=lambda algorithm: scores[algorithm].mean_log_loss)
        family, parameters = candidates[chosen]
        found = None
        if settings:
            with self.progress.step(f"Search among settings of {chosen}"), refusals(chosen, family):
                found = search.halving(
                    chosen, self._built(family, parameters), given, settings, train.frame, train.target, self.seed,
                    train.groups,
                )  # fmt: skip
            self.progress.say(found.said())
            if found.better:
                parameters = found.applied(parameters)
                scores[chosen], unseen[chosen] = evaluate.cross_validate(
                    self._built(family, parameters), train.frame, train.target, self.seed, train.groups
                )
        with self.progress.step(f"Fit {chosen} to {len(train.target)} rows"), refusals(chosen, family):
            pipeline = self._built(family, parameters).fit(train.frame, train.target)
        threshold = (
            Threshold(self.threshold, "was given")
            if self.threshold is not None
            else evaluate.choose_threshold(train.target, unseen[chosen], probability(pipeline, train.frame))
        )
        with self.progress.step("Compile it and compare"):
            compiled = family.compile(pipeline, self.schema)
            comparison = check_equal(pipeline, compiled, self.schema, threshold.value, self.seed)
        return Fitted(chosen, parameters, pipeline, scores, found, threshold, compiled.files, comparison)

    def _built(self, family: Family, parameters: Parameters) -> Pipeline:
        return family.build(self.schema, self.features, parameters, self.seed)


@contextmanager
def refusals(algorithm: str, family: Family) -> Iterator[None]:
    """What is refused of parameters and data together, as a sentence."""
    if isinstance(family, OwnPipeline):
        with family.failing("on these data"):
            yield
        return
    try:
        yield
    except ValueError as error:
        raise ModelError(f"{algorithm} cannot be trained on these data: {str(error).splitlines()[0]}") from error
