"""Fits the chosen algorithm to all rows of a table that are trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from tabular_model.estimators import logistic, scorecard, xgboost_boosting
from tabular_model.parameters import GradientBoostingParameters, Parameters
from tabular_model.schema import Schema
from tabular_model.totals import S
from training_job.out_of_core.holdout import Holdout
from training_job.out_of_core.table import Block, Boosting, Table
from training_job.split import Rows


@dataclass(frozen=True)
class OnTraining(Generic[S]):
    """What `of` gives for the rows of a block that are trained on."""

    of: Callable[[NDArray[np.float64], NDArray[np.int64]], S]
    holdout: Holdout

    def __call__(self, block: Block) -> S:
        """Of none of them too."""
        kept = self.holdout.trained(block)
        return self.of(block.matrix[kept], block.target[kept])


@dataclass(frozen=True)
class FitToAll:
    """Regressions by sums over the rows, boosting as the table does it; `rows` is how many it has in all."""

    table: Table
    holdout: Holdout
    rows: int
    schema: Schema
    features: Sequence[str]
    seed: int

    def __call__(self, algorithm: str, parameters: Parameters, pipeline: Pipeline, train: Rows) -> Pipeline:
        """The pipeline fitted to all rows, from one that is not; `train` are those of the sample."""
        if isinstance(parameters, GradientBoostingParameters):
            approved = float(train.target.mean())
            boosting = Boosting(
                self.schema.positions(self.features),
                xgboost_boosting.feature_types(self.schema, self.features),
                xgboost_boosting.settings(parameters, self.schema, self.features, approved, self.seed),
                self.holdout.trained,
            )
            return xgboost_boosting.pipeline(self.table.boost(boosting), self.schema, self.features)
        sampled = pipeline.fit(train.frame, train.target)
        if algorithm == "logistic":
            return logistic.fit_to_all(sampled, self._total)
        return scorecard.fit_to_all(sampled, self._total, self.rows, train.frame.to_numpy())

    def _total(self, of: Callable[[NDArray[np.float64], NDArray[np.int64]], S]) -> S:
        return self.table.sum(OnTraining(of, self.holdout))
