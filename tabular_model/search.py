"""A search among settings of one algorithm by successive halving, and how certain its result is.

All settings are tried on few rows, the better third on three times as many, and so on (Jamieson and Talwalkar,
"Non-stochastic best arm identification", AISTATS 2016; scikit-learn's `HalvingRandomSearchCV`).
"""

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - the import is the switch
from sklearn.model_selection import HalvingRandomSearchCV
from sklearn.pipeline import Pipeline

from tabular_model.errors import ModelError
from tabular_model.evaluate import cross_validate, folder
from tabular_model.metrics import Estimate, bootstrap, losses
from tabular_model.parameters import Parameters

FACTOR = 3  # of the settings one in so many goes on, to so many times the rows
FEWEST_ROWS = 300

SPACES: dict[str, dict[str, list[Any]]] = {
    "logistic": {"C": [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]},
    "gradient_boosting": {
        "learning_rate": [0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3],
        "max_iter": [50, 100, 150, 200, 300, 400],
        "max_leaf_nodes": [3, 4, 6, 8, 11],  # up to 11 the trees are scored by tables
        "min_samples_leaf": [10, 20, 40, 60, 100, 150],
        "l2_regularization": [0.0, 1.0, 5.0, 20.0, 50.0, 100.0],
        "max_features": [0.3, 0.5, 0.7, 1.0],
    },
    "scorecard": {
        "max_bins": [3, 4, 5, 6, 7, 8, 9, 10],
        "min_bin_share": [0.02, 0.03, 0.05, 0.08, 0.1],
        "C": [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0],
    },
}


class Tried(msgspec.Struct, frozen=True):
    """One setting, the rows that it was last tried on, and its cross-validated log loss on them."""

    parameters: dict[str, Any]
    rows: int
    log_loss: float


class Search(msgspec.Struct, frozen=True):
    """What was tried, the best of all rows first; and its log loss less that of the setting without a search.

    The difference is on rows unseen in training, by other folds than those that chose the setting.
    """

    algorithm: str
    tried: tuple[Tried, ...]
    difference: Estimate

    @property
    def better(self) -> bool:
        """Whether the best setting is better by more than chance; only then is it used."""
        return self.difference.high is not None and self.difference.high < 0

    def applied(self, parameters: Parameters) -> Parameters:
        """`parameters` with those of the best setting."""
        return msgspec.structs.replace(parameters, **self.tried[0].parameters)

    def said(self) -> str:
        """One sentence: how many settings were tried, the best, how its log loss differs, and whether it is used."""
        best = ", ".join(f"{name} {value}" for name, value in self.tried[0].parameters.items())
        by = f"{self.difference.value:+.4f} (95 % interval {self.difference.low:+.4f} to {self.difference.high:+.4f})"
        taken = "it is used" if self.better else "that may be chance, so the setting without a search is used"
        tried = f"{len(self.tried)} settings of {self.algorithm}"
        return f"Of {tried} the best is {best}: its log loss differs by {by}; {taken}."


def halving(
    algorithm: str,
    pipeline: Pipeline,
    given: Sequence[str],
    settings: int,
    frame: pd.DataFrame,
    target: NDArray[np.int64],
    seed: int,
    groups: NDArray[np.int64] | None,
) -> Search:
    """Tries so many settings of the parameters of the pipeline's model that were not `given`.

    Rows of one group stay together. ModelError where there is nothing to try.
    """
    space = {name: values for name, values in SPACES.get(algorithm, {}).items() if name not in given}
    if not space:
        raise ModelError(
            f"There is nothing to search: {algorithm} has no unset parameter with known values to try. "
            "A custom pipeline can contain a search of its own, such as scikit-learn's HalvingRandomSearchCV."
        )
    settings = min(settings, math.prod(map(len, space.values())))
    found = HalvingRandomSearchCV(
        pipeline,
        {f"model__{name}": values for name, values in space.items()},
        n_candidates=settings,
        factor=FACTOR,
        min_resources=_first_rows(len(target), settings),
        scoring="neg_log_loss",
        cv=folder(seed, groups),
        refit=False,
        random_state=seed,
    ).fit(frame, target, groups=groups)
    tried = _tried(found.cv_results_)
    best = clone(pipeline).set_params(**{f"model__{name}": value for name, value in tried[0].parameters.items()})
    other = (seed + 1) % 2**32
    before, after = (cross_validate(each, frame, target, other, groups)[1] for each in (pipeline, best))
    gained = losses(target, after)[0] - losses(target, before)[0]
    difference = bootstrap(lambda w: ((w @ gained) / w.sum(axis=1))[:, None], len(target), seed)[0]
    return Search(algorithm, tried, difference)


def _first_rows(rows: int, settings: int) -> int:
    """How many rows all settings are tried on, so that the last few are tried on all."""
    rungs = math.floor(math.log(settings, FACTOR))
    enough = math.floor(math.log(max(rows / FEWEST_ROWS, 1), FACTOR))
    return rows // int(FACTOR ** min(rungs, enough))


def _tried(results: dict[str, Any]) -> tuple[Tried, ...]:
    """Each setting once, as it was tried last, those of most rows first and of them the best."""
    last: dict[str, Tried] = {}
    for parameters, rows, score in zip(
        results["params"], results["n_resources"], results["mean_test_score"], strict=True
    ):
        named = {name.removeprefix("model__"): value for name, value in parameters.items()}
        last[str(sorted(named.items()))] = Tried(named, int(rows), -float(score))
    return tuple(sorted(last.values(), key=lambda each: (-each.rows, each.log_loss)))
