"""Families of models by name, each a module: how it is built, fitted and compiled."""

from tabular_model.estimators import gradient_boosting, logistic, scorecard
from tabular_model.estimators.family import Compiled, Family, probability

FAMILIES: dict[str, Family] = {
    "logistic": logistic,
    "gradient_boosting": gradient_boosting,
    "scorecard": scorecard,
}

__all__ = ["FAMILIES", "Compiled", "Family", "probability"]
