"""The differences between two versions: columns, parameters, quality, and whom each would approve."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tabular_model.compatibility import Difference, differences, recoded
from tabular_model.errors import DataError
from tabular_model.manifest import Manifest
from tabular_model.metrics import Estimate, bootstrap, discrimination, losses
from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tabular_model.results import FILE, Results
from tabular_model.schema import Schema
from training_job.same_split import same_split

METRICS = ("auc", "log_loss", "brier")

Floats = NDArray[np.float64]


class Paired(msgspec.Struct, frozen=True):
    """A metric of both versions on the same rows, and the newer's less the older's on the same resamples."""

    old: Estimate
    new: Estimate
    difference: Estimate


class SameRows(msgspec.Struct, frozen=True):
    """Both versions on the newer's holdout: its rows, the metrics, and how many decisions change each way."""

    rows: int
    metrics: dict[str, Paired]
    newly_approved: int
    newly_rejected: int


class Comparison(msgspec.Struct, frozen=True):
    """Two versions; `recorded` are the AUCs of their own holdouts, and `same_rows` is None with a reason in `why`."""

    old: str
    new: str
    columns: tuple[Difference, ...]
    settings: dict[str, tuple[Any, Any]]
    recorded: dict[str, Estimate]
    same_rows: SameRows | None
    why: str


def compare(registry: Registry, old: str, new: str, data: str = "") -> Comparison:
    """`data` is the location of the newer version's data, if they were moved after its training."""
    before, after = (TabularModel.from_registry(registry, version) for version in (old, new))
    try:
        same_rows, why = _on_same_rows(before, after, data), ""
    except DataError as error:
        same_rows, why = None, str(error)
    return Comparison(
        old=old,
        new=new,
        columns=differences(Schema(before.columns), Schema(after.columns)),
        settings=_settings(before.manifest, after.manifest),
        recorded={version: Results.decode(registry.read(version, FILE)).holdout.auc for version in (old, new)},
        same_rows=same_rows,
        why=why,
    )


def _settings(old: Manifest, new: Manifest) -> dict[str, tuple[Any, Any]]:
    """By name the settings and features that differ, before and after."""
    before, after = (
        {
            "algorithm": each.algorithm,
            "threshold": each.threshold,
            "seed": each.seed,
            "features": ", ".join(each.features),
            "data": each.data.sha256[:12],
            "rows": each.data.rows,
            **each.parameters,
        }
        for each in (old, new)
    )
    names = [*before, *(name for name in after if name not in before)]
    return {n: (before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n)}


def _on_same_rows(old: TabularModel, new: TabularModel, data: str) -> SameRows:
    """DataError where the newer's holdout cannot be made again, or the older cannot score it."""
    holdout = same_split(new.manifest, data).holdout
    matrix = holdout.frame.to_numpy()
    theirs = recoded(matrix, Schema(new.columns), old.columns)
    if theirs is None:
        raise DataError(f"{old.version} has columns that the data of {new.version} do not have.")
    (before, decided), (after, decides) = old.score(theirs), new.score(matrix)
    return SameRows(
        rows=len(matrix),
        metrics=_paired(holdout.target, before, after, new.manifest.seed),
        newly_approved=int(((decided == 0) & (decides == 1)).sum()),
        newly_rejected=int(((decided == 1) & (decides == 0)).sum()),
    )


def _paired(target: NDArray[np.int64], old: Floats, new: Floats, seed: int) -> dict[str, Paired]:
    def all_of(weights: Floats) -> Floats:
        mean = weights / weights.sum(axis=1, keepdims=True)
        values = [
            np.column_stack(
                [discrimination(target, score, weights)[0], *(mean @ loss for loss in losses(target, score))]
            )
            for score in (old, new)
        ]
        return np.column_stack([*values, values[1] - values[0]])

    found = bootstrap(all_of, len(target), seed)
    width = len(METRICS)
    return {
        name: Paired(found[place], found[width + place], found[2 * width + place]) for place, name in enumerate(METRICS)
    }
