"""Trains a version's algorithm on fewer columns, to see whether that treats groups more alike and at what cost."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tabular_model.alternatives import Alternative, Alternatives
from tabular_model.errors import DataError, ModelError
from tabular_model.estimators import FAMILIES, Family, probability
from tabular_model.evaluate import Judged, banded
from tabular_model.manifest import Manifest
from tabular_model.metrics import MOST, Estimate, bootstrap, discrimination
from tabular_model.parameters import OWN, Parameters, parse
from tabular_model.schema import Schema
from tabular_model.scoring.scorer import Scorer
from tabular_model.storage import without_secrets
from tabular_model.tradeoffs import Tradeoff, at_rate
from training_job.fit import refusals
from training_job.progress import Progress
from training_job.same_split import same_split
from training_job.split import Rows

ALONE = 40  # columns that are left out alone, at the most
FURTHER = 40  # trainings without more than one column, at the most

Floats = NDArray[np.float64]


def alternatives(manifest: Manifest, files: Mapping[str, bytes], data: str, progress: Progress) -> Alternatives:
    """Each trained column left out alone, then one more at a time as long as the lowest adverse impact ratio rises.

    The algorithm, its parameters, the seed, the training rows and the holdout are the version's. DataError for data
    that are not the version's; ModelError for a version of which other sets of columns cannot be trained here.
    """
    _check(manifest)
    with progress.step(f"Load {without_secrets(data)}"):
        parts = same_split(manifest, data)
    with threadpool_limits(limits=1):  # as in a training
        holdout, _ = parts.holdout.few(MOST, manifest.seed)  # as many as are resampled one by one
        return _Course(manifest, files, parts.train, holdout, progress).run()


def _check(manifest: Manifest) -> None:
    """ModelError says why no other sets of columns can be trained."""
    version, without = manifest.version, "write its card without --data."
    if manifest.algorithm == OWN:
        raise ModelError(f"{version} was trained by a custom pipeline, whose code a card does not run; {without}")
    if manifest.engine is not UNSET:
        raise ModelError(
            f"{version} was trained on rows that did not stay in memory ({manifest.engine}), but other sets of columns "
            f"are trained in memory; {without}"
        )
    if not any(column.protected for column in manifest.schema):
        raise ModelError(f"{version} has no protected column by which groups could be compared; {without}")
    if len(manifest.features) < 2:
        raise ModelError(f"{version} was trained on one column, so that none can be left out; {without}")


@dataclass(frozen=True)
class _Trial:
    """A set of columns: how it scores the holdout [n], and its decisions at the version's approval rate."""

    left_out: tuple[str, ...]
    score: Floats
    at: Tradeoff

    @property
    def lowest(self) -> float:
        """The lowest ratio of all protected columns."""
        return min(found.ratio.value or 0.0 for found in self.at.lowest.values())


class _Course:
    """The trainings of one version's alternatives."""

    def __init__(
        self, manifest: Manifest, files: Mapping[str, bytes], train: Rows, holdout: Rows, progress: Progress
    ) -> None:
        self._manifest, self._train, self._holdout, self._progress = manifest, train, holdout, progress
        self._schema = Schema(manifest.schema)
        self._family: Family = FAMILIES[manifest.algorithm]
        self._parameters: Parameters = parse(manifest.algorithm, manifest.parameters)[manifest.algorithm]
        score = Scorer(files, manifest.version).probabilities(holdout.frame.to_numpy())
        self._rate = float(np.mean(score >= manifest.threshold))
        if not self._rate:
            raise DataError(
                f"{manifest.version} approves no row of its holdout, so that groups cannot be compared; write its card "
                "without --data."
            )
        self._own = self._judged((), score)
        if not self._own.at.lowest:
            raise DataError(
                f"Fewer than two groups of the holdout of {manifest.version} are large enough to be compared, so that "
                "other sets of columns cannot be; write its card without --data."
            )

    def run(self) -> Alternatives:
        again = self._trial(())
        features = self._manifest.features
        alone = [self._trial((name,)) for name in features[:ALONE]]
        tried = [self._own, *alone, *self._further(alone)]
        with self._progress.step(f"Compare {len(tried)} sets of columns on {len(self._holdout.target)} rows"):
            measured = self._aucs(tried)
        return Alternatives(
            rows=len(self._holdout.target),
            most=ALONE + FURTHER,
            reproduced=float(np.abs(again.score - self._own.score).max()),
            sets=tuple(
                Alternative(left_out=each.left_out, auc=auc, difference=difference, at=each.at)
                for each, (auc, difference) in zip(tried, measured, strict=True)
            ),
            not_alone=tuple(features[ALONE:]),
        )

    def _further(self, alone: Sequence[_Trial]) -> Iterator[_Trial]:
        """Without more columns, the most promising first: what raised the ratio most in the step before."""
        best, before, left = self._own, alone, FURTHER
        while True:
            order = sorted(before, key=lambda each: -each.lowest)
            if order[0].lowest <= best.lowest:
                return
            best = order[0]
            names = [each.left_out[-1] for each in order[1:]]
            if len(best.left_out) + 1 >= len(self._manifest.features):
                return
            before = [self._trial((*best.left_out, name)) for name in names[:left]]
            left -= len(before)
            yield from before
            if not before:
                return

    def _trial(self, left_out: tuple[str, ...]) -> _Trial:
        manifest = self._manifest
        kept = [name for name in manifest.features if name not in left_out]
        title = f"Train without {', '.join(left_out)}" if left_out else "Train on all columns once more"
        with self._progress.step(title), refusals(manifest.algorithm, self._family):
            pipeline = self._family.build(self._schema, kept, self._parameters, manifest.seed)
            pipeline.fit(self._train.frame, self._train.target)
            return self._judged(left_out, probability(pipeline, self._holdout.frame))

    def _judged(self, left_out: tuple[str, ...], score: Floats) -> _Trial:
        judged = Judged(self._holdout.target, score)
        bands = {
            column.name: banded(column, self._holdout.frame[column.name].to_numpy(), judged)
            for column in self._schema.columns
            if column.protected
        }
        return _Trial(left_out, score, at_rate(judged, bands, self._rate))

    def _aucs(self, tried: Sequence[_Trial]) -> list[tuple[Estimate, Estimate]]:
        """Of each its AUC, and that less the version's on the same resamples."""
        target = self._holdout.target

        def all_of(weights: Floats) -> Floats:
            areas = np.column_stack([discrimination(target, each.score, weights)[0] for each in tried])
            return np.column_stack([areas, areas - areas[:, :1]])

        found = bootstrap(all_of, len(target), self._manifest.seed)
        return list(zip(found[: len(tried)], found[len(tried) :], strict=True))
