"""Honest evaluation: cross-validation, the decision threshold, and the quality on a holdout and by segment."""

from collections.abc import Iterator
from itertools import pairwise

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.inspection import permutation_importance
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from loan_model.metrics import Estimate, Quality, auc, bootstrap, discrimination, losses
from loan_model.pipeline import probability

FOLDS = 5
BINS = 10  # of the reliability diagram
REPEATS = 5  # permutations per column
BANDS = {"Age": (25.0, 35.0, 45.0, 55.0, 62.0)}  # where a protected column is cut; 62: "elderly" in US Reg. B
FEWEST = 30  # rows a segment needs to be the one that others are compared with

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class CrossValidation(msgspec.Struct, frozen=True):
    """How an algorithm did on each fold after training on the others, and out of fold over all rows."""

    log_loss: tuple[float, ...]
    auc: tuple[float, ...]
    pooled_auc: Estimate

    @property
    def mean_log_loss(self) -> float:
        return float(np.mean(self.log_loss))


class Threshold(msgspec.Struct, frozen=True):
    """The probability from which an application is approved, and how it was chosen."""

    value: float
    rule: str


class Decisions(msgspec.Struct, frozen=True):
    """How many rows the model approves and rejects, rightly and wrongly, at the threshold."""

    true_approvals: int
    false_approvals: int
    true_rejections: int
    false_rejections: int

    @classmethod
    def of(cls, target: Integers, score: Floats, threshold: float) -> "Decisions":
        approved = score >= threshold
        good = target == 1
        cells = (approved & good, approved & ~good, ~approved & ~good, ~approved & good)
        return cls(*(int(cell.sum()) for cell in cells))


class Bin(msgspec.Struct, frozen=True):
    """Rows whose probability lies between `low` and `high`: the mean predicted and the share approved."""

    low: float
    high: float
    rows: int
    predicted: float
    observed: Estimate


class Segment(msgspec.Struct, frozen=True):
    """The rows whose protected value is in a band, or missing.

    `approval_rate` is the share that the model approves, and `adverse_impact_ratio` that share over the
    highest one of a band of `FEWEST` rows or more: below 0.8 it breaks the four-fifths rule (29 CFR 1607.4).
    `qualified_approval_rate` is the share that the model approves of the rows that were in truth approved.
    """

    band: str
    approval_rate: float
    qualified_approval_rate: float | None
    adverse_impact_ratio: float | None
    quality: Quality


def cross_validate(
    pipeline: Pipeline, frame: pd.DataFrame, target: Integers, seed: int
) -> tuple[CrossValidation, Floats]:
    """The scores over `FOLDS` stratified folds, and each row's probability by the model that did not see it."""
    unseen = np.empty(len(target))
    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(frame, target))
    for train, test in folds:
        fitted = clone(pipeline).fit(frame.iloc[train], target[train])
        unseen[test] = probability(fitted, frame.iloc[test])
    scores = CrossValidation(
        log_loss=tuple(float(losses(target[test], unseen[test])[0].mean()) for _, test in folds),
        auc=tuple(auc(target[test], unseen[test]) for _, test in folds),
        pooled_auc=bootstrap(lambda w: discrimination(target, unseen, w)[0][:, None], len(target), seed)[0],
    )
    return scores, unseen


def choose_threshold(target: Integers, unseen: Floats, scores: Floats) -> Threshold:
    """The threshold that maximises Youden's J (Cancer 3, 1950) on out-of-fold probabilities.

    It is then moved between two distinct `scores` of the final model, so that no training row is a tie.
    """
    order = np.argsort(-unseen, kind="stable")
    approved = target[order]
    caught = approved.cumsum() / approved.sum()
    falsely = (1 - approved).cumsum() / (1 - approved).sum()
    last_of_score = np.append(np.diff(unseen[order]) != 0, True)
    best = unseen[order][np.where(last_of_score, caught - falsely, -1).argmax()]
    rule = "maximises Youden's J (true less false approval rate) on out-of-fold probabilities of the training rows"
    return Threshold(_between(float(best), np.unique(scores)), rule)


def reliability(target: Integers, score: Floats, seed: int) -> list[Bin]:
    """At most `BINS` bins of equally many rows, by probability."""
    inner = np.quantile(score, np.linspace(0, 1, BINS + 1)[1:-1])
    _, of_row = np.unique(np.searchsorted(inner, score, side="right"), return_inverse=True)
    member = (of_row[:, None] == np.arange(of_row.max() + 1)).astype(np.float64)
    with np.errstate(invalid="ignore"):  # a resample may have no row of a bin
        observed = bootstrap(lambda w: (w @ (member * target[:, None])) / (w @ member), len(target), seed)
    return [_bin(score[of_row == i], seen) for i, seen in enumerate(observed)]


def _bin(scores: Floats, observed: Estimate) -> Bin:
    return Bin(float(scores.min()), float(scores.max()), len(scores), float(scores.mean()), observed)


def by_segment(
    column: str, values: Floats, target: Integers, score: Floats, threshold: float, seed: int
) -> list[Segment]:
    """The segments of the protected `column` that have rows, its missing values last."""
    bands = list(_bands(column, values))
    approved = score >= threshold
    rates = [approved[rows].mean() for _, rows in bands]
    highest = max((rate for rate, (_, rows) in zip(rates, bands, strict=True) if rows.sum() >= FEWEST), default=0)
    return [
        Segment(
            band=band,
            approval_rate=float(rate),
            qualified_approval_rate=_mean(approved[rows & (target == 1)]),
            adverse_impact_ratio=float(rate / highest) if highest else None,
            quality=Quality.of(target[rows], score[rows], seed),
        )
        for rate, (band, rows) in zip(rates, bands, strict=True)
    ]


def importance(pipeline: Pipeline, frame: pd.DataFrame, target: Integers, seed: int) -> dict[str, float]:
    """By column, how much AUC is lost on average when its values are permuted."""
    drop = permutation_importance(pipeline, frame, target, scoring="roc_auc", n_repeats=REPEATS, random_state=seed)
    return dict(zip(frame.columns, drop.importances_mean.tolist(), strict=True))


def _bands(column: str, values: Floats) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    edges = (-np.inf, *BANDS[column], np.inf)
    for low, high in pairwise(edges):
        rows = (values >= low) & (values < high)
        if rows.any():
            yield _label(low, high), rows
    if np.isnan(values).any():
        yield "missing", np.isnan(values)


def _label(low: float, high: float) -> str:
    if low == -np.inf:
        return f"below {high:g}"
    return f"{low:g} and over" if high == np.inf else f"{low:g} to below {high:g}"


def _mean(values: NDArray[np.bool_]) -> float | None:
    return float(values.mean()) if len(values) else None


def _between(value: float, scores: Floats) -> float:
    """The shortest decimal near `value` that lies strictly between two neighbours of the sorted `scores`."""
    at = np.searchsorted(scores, value, side="left")
    low = scores[at - 1] if at else 0.0
    high = scores[at] if at < len(scores) else 1.0
    middle = (low + high) / 2
    for decimals in range(2, 17):
        rounded = round(float(middle), decimals)
        if low < rounded < high:
            return rounded
    return float(middle)
