"""Proxies: how well the features predict a protected column that the model was not trained on.

A model without a protected column may still decide by it, if other columns stand for it. Each group of the column is
predicted by boosted trees of all features, and by a tree of each feature alone; both learn from training rows and are
judged on the holdout. An AUC of 0.5 says nothing of the group, one of 1 all.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from tabular_model.estimators import FAMILIES, probability
from tabular_model.evaluate import FEWEST, LEAF_ROWS, LEAVES, band_edges, groups
from tabular_model.metrics import Estimate, auc_interval
from tabular_model.parameters import GradientBoostingParameters
from tabular_model.schema import Column, Schema

ROWS = 10_000  # of the training, and of the holdout, which bound the time
MOST_GROUPS = 12  # of a column, because each is predicted by itself
ROUNDS = 50  # of boosting

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """How well a group of a protected column is told from the others, on `rows` rows of the holdout.

    `members` of them are in the group. `together` is the AUC of all features, and `alone` by feature that of it alone,
    with DeLong's intervals, each by itself.
    """

    group: str
    rows: int
    members: int
    together: Estimate
    alone: dict[str, Estimate]

    @property
    def strongest(self) -> str:
        """The feature that alone predicts the group best."""
        return max(self.alone, key=lambda name: self.alone[name].value or 0.0)


def proxies(
    schema: Schema, features: Sequence[str], train: Floats, holdout: Floats, seed: int
) -> dict[str, list[Proxy]]:
    """By protected column that is no feature its groups, of rows [n, columns] of the training and of the holdout.

    At most the `MOST_GROUPS` largest, and none of fewer than `FEWEST` rows; of two the second stands for both. Rows
    whose group is not known are left out. The list is empty where that leaves nothing to compare.
    """
    undirected = Schema(tuple(msgspec.structs.replace(column, direction=None) for column in schema.columns))
    rng = np.random.default_rng(seed)
    found = {}
    for place, column in enumerate(schema.columns):
        if column.protected and column.name not in features:
            edges = band_edges(column, train[:, place])
            seen, asked = (
                _Known.of(list(groups(column, each[:, place], edges)), each, rng) for each in (train, holdout)
            )
            names = [name for name, _ in groups(column, np.empty(0), edges)]
            found[column.name] = list(_told(undirected, features, names[:-1], seen, asked, seed))
    return found


class _Known(NamedTuple):
    """Rows [n, columns] of which the number of the group [n] is known."""

    matrix: Floats
    group: Integers

    @classmethod
    def of(cls, of_groups: Sequence[tuple[str, NDArray[np.bool_]]], matrix: Floats, rng: np.random.Generator) -> Self:
        """At most `ROWS` of them, drawn by chance; the last of the groups are the rows that have none."""
        group = np.full(len(matrix), -1)
        for number, (_, rows) in enumerate(of_groups[:-1]):
            group[rows] = number
        known = np.flatnonzero(group >= 0)
        if len(known) > ROWS:
            known = np.sort(rng.choice(known, ROWS, replace=False))
        return cls(matrix[known], group[known])


def _told(
    schema: Schema, features: Sequence[str], names: Sequence[str], train: _Known, holdout: _Known, seed: int
) -> Iterator[Proxy]:
    sizes = [np.bincount(part.group, minlength=len(names)) for part in (train, holdout)]
    enough = np.all([(size >= FEWEST) & (size.sum() - size >= FEWEST) for size in sizes], axis=0)
    largest = np.argsort(-sizes[0], kind="stable")
    told = np.sort(largest[enough[largest]][:MOST_GROUPS])
    boosted = FAMILIES["gradient_boosting"].build(schema, features, GradientBoostingParameters(max_iter=ROUNDS), seed)
    places = dict(zip(features, schema.positions(features), strict=True))
    for number in told[len(names) == 2 :]:
        seen, asked = ((part.group == number).astype(np.int64) for part in (train, holdout))
        together = probability(boosted.fit(train.matrix, seen), holdout.matrix)
        alone = {
            name: probability(_tree(schema[name]).fit(train.matrix[:, [at]], seen), holdout.matrix[:, [at]])
            for name, at in places.items()
        }
        yield Proxy(
            group=names[number],
            rows=len(asked),
            members=int(asked.sum()),
            together=auc_interval(asked, together),
            alone={name: auc_interval(asked, score) for name, score in alone.items()},
        )


def _tree(column: Column) -> DecisionTreeClassifier:
    """A small tree of a number; of a category one in which each level may have its leaf."""
    leaves = None if column.type == "category" else LEAVES
    return DecisionTreeClassifier(max_leaf_nodes=leaves, min_samples_leaf=LEAF_ROWS, random_state=0)
