"""What may be set of each family of models, by scikit-learn's own names, with the values where none is given.

Knows no scikit-learn, so that a server can check a request before a training starts.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tabular_model.errors import ModelError

Positive = Annotated[float, Meta(gt=0, le=1e6)]
Share = Annotated[float, Meta(gt=0, le=1)]
Rounds = Annotated[int, Meta(ge=1, le=100_000)]


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be set of one family."""


class LogisticParameters(Parameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `sklearn.linear_model.LogisticRegression`: `max_iter` are iterations of the solver."""

    C: Positive = 1.0
    max_iter: Rounds = 1000
    tol: Positive = 1e-8  # else coefficients are right to three digits only, and depend on how they were found
    class_weight: Literal["balanced"] | None = None


class GradientBoostingParameters(Parameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `sklearn.ensemble.HistGradientBoostingClassifier`: `max_iter` are boosting rounds, a tree each."""

    max_iter: Rounds = 100
    learning_rate: Positive = 0.1
    max_leaf_nodes: Annotated[int, Meta(ge=2, le=10_000)] | None = 6
    max_depth: Annotated[int, Meta(ge=1, le=100)] | None = None
    min_samples_leaf: Annotated[int, Meta(ge=1)] = 60
    l2_regularization: Annotated[float, Meta(ge=0)] = 20.0
    max_features: Share = 1.0
    max_bins: Annotated[int, Meta(ge=2, le=255)] = 255
    class_weight: Literal["balanced"] | None = None
    early_stopping: bool = False
    validation_fraction: Share = 0.1
    n_iter_no_change: Annotated[int, Meta(ge=1)] = 10
    tol: Annotated[float, Meta(ge=0)] = 1e-7


class ScorecardParameters(Parameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of a scorecard: its bins, its logistic regression, and how log-odds become points.

    `min_bin_share` is of the rows that have a value; `base_score` points stand for odds of approval of `base_odds`
    to 1, and `pdo` points more double the odds.
    """

    max_bins: Annotated[int, Meta(ge=2, le=10)] = 6
    min_bin_share: Annotated[float, Meta(gt=0, le=0.5)] = 0.05
    C: Positive = 1.0
    max_iter: Rounds = 1000
    pdo: Positive = 20.0
    base_score: Annotated[float, Meta(ge=-1e6, le=1e6)] = 600.0
    base_odds: Positive = 50.0


PARAMETERS: dict[str, type[Parameters]] = {
    "logistic": LogisticParameters,
    "gradient_boosting": GradientBoostingParameters,
    "scorecard": ScorecardParameters,
}
AUTO = "auto"
OWN = "pipeline"  # the algorithm that a declaration's own pipeline is
COMPARED = ("logistic", "gradient_boosting")  # by `auto`
ALIASES = {"epochs": "max_iter"}  # the word of those who train networks for how often the solver goes on


def parse(
    algorithm: str, given: Mapping[str, Any], types: Mapping[str, type[Parameters]] = PARAMETERS
) -> dict[str, Parameters]:
    """By algorithm, the parameters to train it with: of `auto`, those algorithms that have all the `given` names.

    Values may be text. `types` are each algorithm's parameters. ModelError with a sentence for a name or value that no
    algorithm accepts.
    """
    if algorithm == OWN and OWN not in types:
        raise ModelError(
            "The model's declaration has no custom pipeline to train; add one to it, or choose an algorithm."
        )
    if algorithm != AUTO and algorithm not in types:
        raise ModelError(f"The algorithm {algorithm} is unknown; the algorithms are {AUTO}, {', '.join(types)}.")
    named = named_as(algorithm, given)
    tried = COMPARED if algorithm == AUTO else (algorithm,)
    fitting = [name for name in tried if named.keys() <= set(types[name].__struct_fields__)]
    if not fitting:
        raise ModelError(_unknown({name: types[name] for name in tried}, named))
    return {name: _convert(name, types[name], named) for name in fitting}


def named_as(algorithm: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters under the algorithm's own names; a custom pipeline has no other names."""
    if algorithm == OWN:
        return dict(given)
    named = {ALIASES.get(name, name): value for name, value in given.items()}
    if len(named) < len(given):
        raise ModelError("epochs and max_iter are the same parameter; give one of them.")
    return named


def assignments(words: Sequence[str]) -> dict[str, str]:
    """Parameters written as `name=value`; ModelError for a word that is not."""
    for word in words:
        if "=" not in word:
            raise ModelError(f"{word} is not a parameter with a value; write name=value, such as max_iter=50.")
    return {name.strip(): value.strip().strip('"') for name, _, value in (word.partition("=") for word in words)}


def _unknown(tried: Mapping[str, type[Parameters]], named: Mapping[str, Any]) -> str:
    known = {field for parameters in tried.values() for field in parameters.__struct_fields__}
    stray = next((name for name in named if name not in known), None)
    if stray is None:
        return f"No algorithm has all of the parameters {', '.join(named)}; choose the algorithm to train."
    close = get_close_matches(stray, known, 1)
    meant = f"did you mean {close[0]}?" if close else f"the parameters are {', '.join(sorted(known)) or 'none'}."
    return f"{' or '.join(tried)} has no parameter {stray}; {meant}"


def _convert(algorithm: str, kind: type[Parameters], named: Mapping[str, Any]) -> Parameters:
    try:
        return msgspec.convert(dict(named), kind, strict=False)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        name = where.strip("`$.") or "of them"
        raise ModelError(f"The parameter {name} of {algorithm} is {named.get(name)!r}: {what}.") from None
