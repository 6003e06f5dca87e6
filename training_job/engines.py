"""Chooses where rows are kept while a model is trained on them: in memory where they fit, else on disk."""

from pathlib import Path

from tabular_model.data import Rows
from tabular_model.declaration import Declaration
from tabular_model.parameters import OWN
from tabular_model.registry import Registry
from training_job import container
from training_job.data import opened
from training_job.in_memory import InMemory
from training_job.learned import Engine, Learned
from training_job.out_of_core.engine import OutOfCore
from training_job.out_of_core.table import StreamedTable
from training_job.progress import Progress
from training_job.training import Training

BYTES = 60  # that a value takes at the most while a model is trained in memory, see docs/scale.md
PACKED = 5  # times that text is longer than it is compressed
AT_MOST = 0.7  # of the memory that there is


class Automatic:
    """In memory if the rows are expected to fit, else `beyond`, by default streamed from their files."""

    def __init__(self, beyond: Engine | None = None) -> None:
        self._beyond = beyond

    def learn(self, training: Training, registry: Registry, progress: Progress) -> Learned:
        """As the engine that it chooses, which it says."""
        if training.asked == OWN:  # which needs them in memory
            return InMemory().learn(training, registry, progress)
        with opened(training.data) as rows:
            needed, there = needed_bytes(rows, training.declaration), container.memory()
            if needed <= AT_MOST * there:
                return InMemory().learn_from(rows, training, registry, progress)
            progress.say(
                f"In memory the rows would take about {needed / 1e9:.1f} GB of {there / 1e9:.1f} GB, so they are not "
                "kept there; --engine memory would try."
            )
            if self._beyond is None:
                return OutOfCore().learn_from(StreamedTable(rows, training.declaration), training, registry, progress)
        return self._beyond.learn(training, registry, progress)


def needed_bytes(rows: Rows, declaration: Declaration) -> int:
    """The memory that a training on all rows takes; of files that do not say their rows, by their size."""
    count = rows.count
    if count is None:
        first = next((batch.rows for batch in rows if batch.rows.num_rows), None)
        if first is None:
            return 0
        # Of each cell Arrow keeps four bytes where a file of text has a delimiter.
        row_bytes = max(first.nbytes / first.num_rows - 3 * first.num_columns, 1)
        count = round(sum(_text_bytes(file.path) for file in rows.files) / row_bytes)
    return count * len(declaration.columns) * BYTES


def _text_bytes(path: Path) -> int:
    return path.stat().st_size * (PACKED if path.suffix in (".gz", ".zst") else 1)
