"""Training on rows that fit memory."""

from threadpoolctl import threadpool_limits

from tabular_model import evaluate
from tabular_model.data import Rows
from tabular_model.evaluate import Judged
from tabular_model.reference import Reference
from tabular_model.registry import Registry
from tabular_model.storage import without_secrets
from training_job.data import loaded, opened
from training_job.fit import Fitted, Fitting
from training_job.learned import Learned, Measured, Shown, results
from training_job.progress import Progress
from training_job.split import Split, split
from training_job.training import Training


class InMemory:
    """All rows in one matrix."""

    def learn(self, training: Training, registry: Registry, progress: Progress) -> Learned:
        """DataError for a file that cannot be trained on, CompileError for a model that cannot be compiled."""
        with opened(training.data) as rows:
            return self.learn_from(rows, training, registry, progress)

    def learn_from(self, rows: Rows, training: Training, registry: Registry, progress: Progress) -> Learned:
        """From rows that are opened."""
        declaration = training.declaration
        fitting = Fitting.of(training, progress)
        with progress.step(f"Load {without_secrets(training.data)}"):
            data = loaded(rows, declaration)
            parts = split(data, training.holdout, training.seed)
        notes = (*data.notes, *parts.notes)
        for note in notes:
            progress.say(note)
        with threadpool_limits(limits=1):  # the same sums on every machine, and no waiting where cores are shared
            fitted = fitting.choose(parts.train)
            with progress.step(f"Evaluate it on {len(parts.holdout.target)} rows of the holdout"):
                measured = _measured(fitted, parts, training)
                train = parts.train.frame.to_numpy()
                reference = Reference.of(declaration.schema, train, fitted.score(parts.train), fitted.threshold.value)
                found = results(fitted, measured, parts.train, reference, training, registry, notes)
        return Learned(
            fitted=fitted,
            results=found,
            reference=reference,
            data=training.described(data.source, len(data.target), data.sha256),
            how=parts.how,
            shown=Shown(data.frame, data.target, parts.holdout.target, measured.score),
        )


def _measured(fitted: Fitted, parts: Split, training: Training) -> Measured:
    holdout, score = parts.holdout, fitted.score(parts.holdout)
    judged = Judged(holdout.target, score)
    bands = {
        column.name: evaluate.banded(column, holdout.frame[column.name].to_numpy(), judged)
        for column in training.declaration.columns
        if column.protected
    }
    periods = [] if holdout.times is None else evaluate.by_period(holdout.times, holdout.target, score, training.seed)
    return Measured(judged, bands, periods, holdout, score)
