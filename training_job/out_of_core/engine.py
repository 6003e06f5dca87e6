"""Trains on a table in a few passes over it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tabular_model import evaluate
from tabular_model.declaration import Declaration
from tabular_model.errors import ModelError
from tabular_model.estimators import xgboost_boosting
from tabular_model.evaluate import Judged
from tabular_model.parameters import OWN
from tabular_model.reference import Reference
from tabular_model.registry import Registry
from tabular_model.storage import without_secrets
from training_job.data import opened
from training_job.fit import Fitted, Fitting
from training_job.learned import Learned, Measured, Shown, results
from training_job.out_of_core import scores
from training_job.out_of_core.fit_to_all import FitToAll
from training_job.out_of_core.holdout import Holdout
from training_job.out_of_core.sample import ROWS, Sampler
from training_job.out_of_core.scores import Parts, Scored, Scores
from training_job.out_of_core.survey import Survey, Surveyed
from training_job.out_of_core.table import StreamedTable, Table
from training_job.progress import Progress
from training_job.split import Rows
from training_job.training import Training

Opened = Callable[[Training], AbstractContextManager[Table]]


@contextmanager
def streamed(training: Training) -> Iterator[Table]:
    """The data as files that this process reads."""
    with opened(training.data) as rows:
        yield StreamedTable(rows, training.declaration)


class OutOfCore:
    """Cross-validates, and looks at single rows, on a sample; fits and measures on all rows."""

    def __init__(self, opening: Opened = streamed) -> None:
        self._opened = opening

    def learn(self, training: Training, registry: Registry, progress: Progress) -> Learned:
        """DataError for data that cannot be trained on, CompileError for a model that cannot be compiled."""
        if training.asked == OWN:
            raise ModelError("A pipeline of one's own needs all rows in memory; train it with --engine memory.")
        with self._opened(training) as table:
            return self.learn_from(table, training, registry, progress)

    def learn_from(self, table: Table, training: Training, registry: Registry, progress: Progress) -> Learned:
        """From a table that is opened."""
        with threadpool_limits(limits=1):
            return _Course(training, table, progress).learned(registry)


class _Course:
    """One training on one table."""

    def __init__(self, training: Training, table: Table, progress: Progress) -> None:
        self._training = training
        self._table = table
        self._progress = progress
        self._schema = training.declaration.schema

    def learned(self, registry: Registry) -> Learned:
        training, table, progress = self._training, self._table, self._progress
        declaration = training.declaration
        fitting = Fitting.of(training, progress)
        with progress.step(f"Count the rows of {without_secrets(training.data)}"):
            survey = table.sum(Surveyed(declaration))
            notes = [*table.facts.notes, *survey.check(table.facts.source, declaration)]
        with progress.step(f"Draw a sample of {min(ROWS, survey.rows)} of {survey.rows} rows"):
            holdout, train, held = self._sampled(survey)
        if (drawn := len(train.target) + len(held.target)) < survey.rows:
            notes.append(
                f"All {survey.rows} rows were trained on or held out; algorithm, threshold, importance and leaks were "
                f"judged on a sample of {drawn} of them."
            )
        for note in notes:
            progress.say(note)
        fit = FitToAll(table, holdout, survey.rows, self._schema, fitting.features, training.seed)
        fitted = fitting.choose(train, fit)
        score = fitted.score(train)
        with progress.step("Evaluate it on all rows of the holdout"):
            measured, uncertainty = self._measured(fitted, holdout, survey, score, held)
            notes.append(f"Scores of the holdout were counted in bins: its AUC is exact to {uncertainty:.1g}.")
            reference = Reference.of(self._schema, train.frame.to_numpy(), score, fitted.threshold.value)
            found = results(fitted, measured, train, reference, training, registry, notes)
        return Learned(
            fitted=fitted,
            results=found,
            reference=reference,
            data=training.described(table.facts.source, survey.rows, table.facts.sha256),
            how=_how(holdout, declaration),
            shown=Shown(
                pd.concat([train.frame, held.frame]),
                np.concatenate([train.target, held.target]),
                held.target,
                measured.score,
            ),
            engine=table.facts.engine,
            libraries={**table.facts.libraries, **xgboost_boosting.version(fitted.pipeline)},
        )

    def _sampled(self, survey: Survey) -> tuple[Holdout, Rows, Rows]:
        training, declaration = self._training, self._training.declaration
        start = survey.days.newest(training.holdout) if declaration.time else None
        holdout = Holdout(training.holdout, training.seed, start)
        both = bool(declaration.time and declaration.group)
        sample = self._table.sum(Sampler(ROWS / survey.rows, holdout, both))
        holdout = Holdout(training.holdout, training.seed, start, sample.held)
        train, held = sample.split(holdout)
        names = list(self._schema.names)
        return holdout, _named(train, names), _named(held, names)

    def _measured(
        self, fitted: Fitted, holdout: Holdout, survey: Survey, trained: NDArray[np.float64], held: Rows
    ) -> tuple[Measured, float]:
        """What the model did, and how uncertain its AUC is; `trained` are the sample's scores of rows trained on."""
        threshold, seed = fitted.threshold.value, self._training.seed
        score = fitted.score(held)
        edges = scores.edges(np.concatenate([trained, score]), threshold)
        days = None if holdout.start is None else survey.days.since(holdout.start)
        parts = Parts.of(self._schema.columns, held.frame.to_numpy(), days)
        found: Scores = self._table.sum(Scored(fitted.files, edges, parts, holdout))
        names = parts.names()
        bands: dict[str, list[tuple[str, Judged]]] = {}
        for number, (column, band) in enumerate(names):
            if column:
                bands.setdefault(column, []).append((band, found.judged(number)))
        last = len(names) - len(parts.periods)
        periods = [
            evaluate.period_of(first, until, found.judged(last + number), seed)
            for number, (first, until) in enumerate(parts.spans(days) if days else ())
        ]
        return Measured(found.judged(0), bands, periods, held, score), found.uncertainty()


def _named(rows: Rows, names: list[str]) -> Rows:
    return rows._replace(frame=rows.frame.set_axis(names, axis="columns"))


def _how(holdout: Holdout, declaration: Declaration) -> str:
    if holdout.start is not None:
        return f"the rows from {np.datetime_as_string(holdout.start, unit='D')} on, out of time"
    together = f", each {declaration.group} on one side" if declaration.group else ""
    return f"about {100 * holdout.share:g} % of the rows, by a hash of their values{together}"
