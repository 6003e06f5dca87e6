"""Splits rows into training and holdout: no row of the holdout is a copy or a relative of a training row."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from tabular_model.errors import DataError
from training_job.data import Dataset

PARTS = 20  # of the groups, of which the holdout takes some

Indices = NDArray[np.int64]


class Rows(NamedTuple):
    """Part of a data set: its columns [n, columns of the schema], its target [n] and who belongs together [n].

    `groups` is None where every row stands for itself; `times` is None where the data have no time.
    """

    frame: pd.DataFrame
    target: NDArray[np.int64]
    groups: NDArray[np.int64] | None
    times: NDArray[np.datetime64] | None

    def few(self, most: int, seed: int) -> tuple["Rows", NDArray[np.intp]]:
        """At most so many of the rows, drawn by chance, in their order, and their places; fewer rows stay all."""
        if len(self.target) <= most:
            return self, np.arange(len(self.target))
        drawn = np.sort(np.random.default_rng(seed).choice(len(self.target), most, replace=False))
        return Rows(self.frame.iloc[drawn], self.target[drawn], None, None), drawn


class Split(NamedTuple):
    """Rows to train on and rows held out; `how` says by which rule, `notes` what was found on the way."""

    train: Rows
    holdout: Rows
    how: str
    notes: tuple[str, ...]


def split(data: Dataset, share: float, seed: int) -> Split:
    """Hold out about `share` of the rows; DataError where a class has none on either side.

    Rows that are equal in every column are kept on one side, as are those of one group. With times the newest rows are
    held out; otherwise each side has the same share of approvals.
    """
    copies, groups = _groups(data)
    notes = [f"{copies} rows are duplicates of another row; duplicates stay on one side of every split."] * (copies > 0)
    if data.times is not None:
        train, holdout, how = _by_time(data.times, groups, share)
    elif groups is not None:
        train, holdout = _by_group(data.target, groups, share, seed)
        how = f"{100 * share:g} % of the rows, stratified, groups kept together"
    else:
        train, holdout = train_test_split(
            np.arange(len(data.target)), test_size=share, stratify=data.target, random_state=seed
        )
        how = f"{100 * share:g} % of the rows, stratified"
    take = _taker(data, groups)
    for rows, where in ((take(train), "trained on"), (take(holdout), "held out")):
        if len(np.unique(rows.target)) < 2:
            raise DataError(f"All rows that are {where} have the same target; more rows, or other groups, are needed.")
    return Split(take(train), take(holdout), how, tuple(notes))


def _taker(data: Dataset, groups: Indices | None) -> Callable[[Indices], Rows]:
    return lambda rows: Rows(
        data.frame.iloc[rows],
        data.target[rows],
        None if groups is None else groups[rows],
        None if data.times is None else data.times[rows],
    )


def _groups(data: Dataset) -> tuple[int, Indices | None]:
    """How many rows are copies of another, and each row's group; None where every row is a group of its own."""
    whole = data.frame.assign(**{"\0target": data.target})
    _, same = np.unique(pd.util.hash_pandas_object(whole, index=False).to_numpy(), return_inverse=True)
    copies = len(same) - (int(same.max()) + 1)
    if data.groups is None:
        return copies, same if copies else None
    _, declared = np.unique(data.groups.astype(str), return_inverse=True)
    return copies, _joined(declared, same) if copies else declared


def _joined(declared: Indices, same: Indices) -> Indices:
    """Groups that hold copies of one row are one group: the connected parts of the graph of both."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - only data with both need it
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    size = int(declared.max()) + int(same.max()) + 2
    links = coo_array((np.ones(len(same)), (declared, declared.max() + 1 + same)), shape=(size, size))
    parts: Indices = connected_components(links, directed=False)[1]
    return parts[declared]


def _by_group(target: NDArray[np.int64], groups: Indices, share: float, seed: int) -> tuple[Indices, Indices]:
    parts = min(PARTS, int(groups.max()) + 1)
    if parts < 2:
        raise DataError("All rows belong to one group, so there can be no holdout; more groups are needed.")
    folds = StratifiedGroupKFold(parts, shuffle=True, random_state=seed).split(target, target, groups)
    held = max(1, min(parts - 1, round(share * parts)))
    holdout = np.sort(np.concatenate([test for _, test in list(folds)[:held]]))
    return np.setdiff1d(np.arange(len(target)), holdout), holdout


def _by_time(times: NDArray[np.datetime64], groups: Indices | None, share: float) -> tuple[Indices, Indices, str]:
    start = np.sort(times)[int(len(times) * (1 - share))]
    holdout = np.flatnonzero(times >= start)
    train = np.flatnonzero(times < start)
    if not len(train):
        raise DataError("All rows have the same time, so no row is older than the holdout.")
    if groups is not None:
        train = train[~np.isin(groups[train], groups[holdout])]
    return train, holdout, f"the rows from {np.datetime_as_string(start, unit='D')} on, out of time"
