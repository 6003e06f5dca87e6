"""Honest evaluation: cross-validation, the decision threshold, and the quality on a holdout and by segment."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.inspection import permutation_importance
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from tabular_model.estimators import probability
from tabular_model.metrics import Estimate, Quality, auc, bootstrap, discrimination, few, losses
from tabular_model.schema import Column

FOLDS = 5
BINS = 10  # of the reliability diagram
REPEATS = 5  # permutations per column
PERIODS = 6  # of the holdout, where the data have a time
LEAK = 0.98  # AUC that a column which may be known before the decision does not reach alone
LEAVES, LEAF_ROWS = 16, 5  # of the tree that finds out
FOUR_FIFTHS = 0.8  # of the highest approval rate, 29 CFR 1607.4(D)
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
        """The plain mean over the folds, in nats; lower is better."""
        return float(np.mean(self.log_loss))


class Threshold(msgspec.Struct, frozen=True):
    """The probability from which an application is approved, and how it was chosen."""

    value: float
    rule: str


class Judged(NamedTuple):
    """Rows with their `target` [n] of 0 and 1 and probability `score` [n].

    Each stands for `counts` [n] rows, or for one.
    """

    target: Integers
    score: Floats
    counts: Integers | None = None

    @property
    def rows(self) -> int:
        """How many rows they stand for."""
        return len(self.target) if self.counts is None else int(self.counts.sum())

    def of(self, which: NDArray[np.bool_]) -> "Judged":
        """Those of them where `which` [n] is true."""
        counts = None if self.counts is None else self.counts[which]
        return Judged(self.target[which], self.score[which], counts)

    def share(self, which: NDArray[np.bool_]) -> float | None:
        """The share of the rows where `which` [n] is true; None of no rows."""
        return float(np.average(which, weights=self.counts)) if self.rows else None

    def quality(self, seed: int) -> Quality:
        """Their quality; `seed` is that of the bootstrap's resamples."""
        return Quality.of(self.target, self.score, seed, self.counts)


class Decisions(msgspec.Struct, frozen=True):
    """How many rows the model approves and rejects, rightly and wrongly, at the threshold."""

    true_approvals: int
    false_approvals: int
    true_rejections: int
    false_rejections: int

    @classmethod
    def of(cls, target: Integers, score: Floats, threshold: float, counts: Integers | None = None) -> "Decisions":
        """For `target` [n] of 0 and 1 and probabilities `score` [n]; one equal to the threshold is an approval."""
        judged = Judged(target, score, counts)
        approved, good = score >= threshold, target == 1
        cells = (approved & good, approved & ~good, ~approved & ~good, ~approved & good)
        return cls(*(judged.of(cell).rows for cell in cells))


class Bin(msgspec.Struct, frozen=True):
    """Rows whose probability lies between `low` and `high`: the mean predicted and the share approved."""

    low: float
    high: float
    rows: int
    predicted: float
    observed: Estimate


class Segment(msgspec.Struct, frozen=True):
    """The rows whose protected value is in a band or a group of levels, or missing.

    `approval_rate` is the share that the model approves, and `adverse_impact_ratio` that share over the
    highest one of a band of `FEWEST` rows or more: below 0.8 it breaks the four-fifths rule (29 CFR 1607.4).
    `qualified_approval_rate` is the share that the model approves of the rows that were in truth approved.
    """

    band: str
    approval_rate: float
    qualified_approval_rate: float | None
    adverse_impact_ratio: float | None
    quality: Quality


class Period(msgspec.Struct, frozen=True):
    """The rows of the holdout from the day `first` to the day `last`."""

    first: str
    last: str
    quality: Quality


def cross_validate(
    pipeline: Pipeline, frame: pd.DataFrame, target: Integers, seed: int, groups: Integers | None = None
) -> tuple[CrossValidation, Floats]:
    """The scores over `FOLDS` stratified folds, and each row's probability by the model that did not see it.

    Rows of one group are in one fold.
    """
    unseen = np.empty(len(target))
    folds = list(folder(seed, groups).split(frame, target, groups))
    for train, test in folds:
        fitted = clone(pipeline).fit(frame.iloc[train], target[train])
        unseen[test] = probability(fitted, frame.iloc[test])
    scores = CrossValidation(
        log_loss=tuple(float(losses(target[test], unseen[test])[0].mean()) for _, test in folds),
        auc=tuple(auc(target[test], unseen[test]) for _, test in folds),
        pooled_auc=_auc(target, unseen, seed),
    )
    return scores, unseen


def _auc(target: Integers, score: Floats, seed: int) -> Estimate:
    target, score, counts = few(target, score)
    return bootstrap(lambda w: discrimination(target, score, w)[0][:, None], len(target), seed, counts)[0]


def folder(seed: int, groups: Integers | None) -> StratifiedKFold | StratifiedGroupKFold:
    """What parts rows into folds, those of one group together."""
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    return kind(FOLDS, shuffle=True, random_state=seed)


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


def reliability(target: Integers, score: Floats, seed: int, counts: Integers | None = None) -> list[Bin]:
    """At most `BINS` bins of equally many rows, by probability."""
    target, score, counts = few(target, score, counts)
    shares = np.linspace(0, 1, BINS + 1)[1:-1]
    if counts is None:
        inner = np.quantile(score, shares)
    else:
        inner = np.quantile(score, shares, method="inverted_cdf", weights=counts)
    _, of_row = np.unique(np.searchsorted(inner, score, side="right"), return_inverse=True)
    member = (of_row[:, None] == np.arange(of_row.max() + 1)).astype(np.float64)
    with np.errstate(invalid="ignore"):  # a resample may have no row of a bin
        observed = bootstrap(lambda w: (w @ (member * target[:, None])) / (w @ member), len(target), seed, counts)
    judged = Judged(target, score, counts)
    return [_bin(judged.of(of_row == i), seen) for i, seen in enumerate(observed)]


def _bin(judged: Judged, observed: Estimate) -> Bin:
    score = judged.score
    predicted = float(np.average(score, weights=judged.counts))
    return Bin(float(score.min()), float(score.max()), judged.rows, predicted, observed)


def banded(column: Column, values: Floats, judged: Judged) -> list[tuple[str, Judged]]:
    """The rows in each group of the protected `column`, by its `values` [n], the missing ones last."""
    return [(name, judged.of(rows)) for name, rows in groups(column, values, band_edges(column, values))]


def segments(bands: Sequence[tuple[str, Judged]], threshold: float, seed: int) -> list[Segment]:
    """A segment of each of the named bands that has rows."""
    bands = [(name, judged) for name, judged in bands if judged.rows]
    rates = [_approved(judged, threshold) or 0.0 for _, judged in bands]
    highest = max((rate for rate, (_, judged) in zip(rates, bands, strict=True) if judged.rows >= FEWEST), default=0)
    return [
        Segment(
            band=name,
            approval_rate=rate,
            qualified_approval_rate=_approved(judged.of(judged.target == 1), threshold),
            adverse_impact_ratio=rate / highest if highest else None,
            quality=judged.quality(seed),
        )
        for rate, (name, judged) in zip(rates, bands, strict=True)
    ]


def by_period(times: NDArray[np.datetime64], target: Integers, score: Floats, seed: int) -> list[Period]:
    """At most `PERIODS` periods of about equally many rows, the oldest first."""
    starts = np.unique(np.sort(times)[np.linspace(0, len(times), PERIODS, endpoint=False).astype(np.int64)])
    of_row = np.searchsorted(starts, times, side="right") - 1
    judged = Judged(target, score)
    parts = [(times[of_row == period], judged.of(of_row == period)) for period in range(len(starts))]
    return [period_of(rows.min(), rows.max(), part, seed) for rows, part in parts]


def period_of(first: np.datetime64, last: np.datetime64, judged: Judged, seed: int) -> Period:
    """The quality of the rows from one time to another."""
    from_day, to_day = (str(np.datetime_as_string(time, unit="D")) for time in (first, last))
    return Period(from_day, to_day, judged.quality(seed))


def leaks(
    columns: Sequence[Column], train: pd.DataFrame, seen: Integers, holdout: pd.DataFrame, target: Integers
) -> dict[str, float]:
    """The columns that alone predict the target, with the AUC that they reach on the holdout.

    By a small tree over the column's values, learned on the training rows; a category's levels stand in the order of
    the target's share among them.
    """
    found = {}
    for column in columns:
        values, judged = (frame[[column.name]].to_numpy() for frame in (train, holdout))
        if column.type == "category":
            values, judged = _target_shares(values, seen, values), _target_shares(values, seen, judged)
        tree = DecisionTreeClassifier(max_leaf_nodes=LEAVES, min_samples_leaf=LEAF_ROWS, random_state=0)
        alone = auc(target, tree.fit(values, seen).predict_proba(judged)[:, 1])
        if alone > LEAK:
            found[column.name] = alone
    return found


def _target_shares(codes: Floats, target: Integers, of: Floats) -> Floats:
    """For each code of `of` [n, 1] the share of approvals that it had among `codes` [m, 1]; NaN stays."""
    shares = pd.Series(target).groupby(codes[:, 0]).mean()
    return pd.Series(of[:, 0]).map(shares).to_numpy(np.float64)[:, None]


def importance(pipeline: Pipeline, frame: pd.DataFrame, target: Integers, seed: int) -> dict[str, float]:
    """By column, how much AUC is lost on average when its values are permuted."""
    drop = permutation_importance(pipeline, frame, target, scoring="roc_auc", n_repeats=REPEATS, random_state=seed)
    return dict(zip(frame.columns, drop.importances_mean.tolist(), strict=True))


def band_edges(column: Column, values: Floats) -> list[float]:
    """Where the bands of a number begin: as declared, else at the quartiles of `values` [n]; none of other columns."""
    if column.type == "category" or column.flag:
        return []
    quartiles: list[float] = np.unique(np.nanquantile(values, [0.25, 0.5, 0.75])).tolist()
    return list(column.bands) or quartiles


def groups(column: Column, values: Floats, edges: Sequence[float]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """The groups to compare, each with its rows of `values` [n]: of levels, or between the edges, and missing."""
    if column.type == "category":
        declared = column.groups or {level: (level,) for level in column.levels}
        for name, levels in declared.items():
            yield name, np.isin(values, [column.levels.index(level) for level in levels])
    elif column.flag:
        yield "no", values == 0
        yield "yes", values == 1
    else:
        for low, high in pairwise((-np.inf, *edges, np.inf)):
            yield _label(low, high), (values >= low) & (values < high)
    yield "missing", np.isnan(values)


def _label(low: float, high: float) -> str:
    if low == -np.inf:
        return f"below {high:g}"
    return f"{low:g} and over" if high == np.inf else f"{low:g} to below {high:g}"


def _approved(judged: Judged, threshold: float) -> float | None:
    return judged.share(judged.score >= threshold)


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
