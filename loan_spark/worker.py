"""What runs in the executors' Python: Arrow batches in, the same rows with their answers out."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from loan_spark.version import ShippedVersion
from model_server.batch import BatchScorer
from model_server.errors import InvalidRows
from tabular_model.data import Batch, Place
from tabular_model.errors import BadRows

REFUSED = pa.field("refused", pa.string())


class Scoring(NamedTuple):
    """How the batches of one table are scored; sent to each worker."""

    version: ShippedVersion
    source: str
    names: tuple[str, ...]
    explain: bool

    def batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Each row unchanged and in order, then its answers, and in `refused` why it has none."""
        scorer = _scorer(_Key(self))
        for rows in batches:
            yield answered(scorer, rows)


class _Key:
    """A `Scoring` by its version's files: `lru_cache` asks for a hash, which a dict has not."""

    def __init__(self, scoring: Scoring) -> None:
        self.scoring = scoring
        version = scoring.version
        self._identity = (
            version.files["manifest.json"],
            version.files.get("manifest.sig"),
            *(version.keys, version.refuse_out_of_range, scoring.source, scoring.names, scoring.explain),
        )

    def __hash__(self) -> int:
        return hash(self._identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._identity == other._identity


@lru_cache(maxsize=4)
def _scorer(key: _Key) -> BatchScorer:
    """One for each worker, whatever the number of its tasks: it is loaded and verified once."""
    scoring = key.scoring
    return scoring.version.scorer(scoring.source, list(scoring.names), scoring.explain)


def answered(scorer: BatchScorer, rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows with their answers; those that cannot be scored have null there, and a sentence."""
    kept = np.arange(rows.num_rows)
    answers = [pa.nulls(0, field.type) for field in scorer.fields]
    while len(kept):
        batch = rows if len(kept) == rows.num_rows else rows.take(pa.array(kept))
        try:
            answers = scorer.answers(Batch(batch, Place(scorer.source, 0, delimiter="")))
            break
        except (BadRows, InvalidRows) as error:
            kept = np.delete(kept, error.rows)
    sentences = pa.nulls(rows.num_rows, REFUSED.type)
    if len(kept) < rows.num_rows:
        answers = _spread(answers, kept, rows.num_rows)
        sentences = _sentences(scorer, rows, kept)
    fields = [*rows.schema, *scorer.fields, REFUSED]
    return pa.RecordBatch.from_arrays([*rows.columns, *answers, sentences], schema=pa.schema(fields))


def _spread(answers: Sequence[pa.Array], kept: np.ndarray, rows: int) -> list[pa.Array]:
    """The answers in the places of their rows, null in the others."""
    places = np.full(rows, -1)
    places[kept] = np.arange(len(kept))
    index = pa.array(places, mask=places < 0)
    return [answer.take(index) for answer in answers]


def _sentences(scorer: BatchScorer, rows: pa.RecordBatch, kept: np.ndarray) -> pa.Array:
    sentences: list[str | None] = [None] * rows.num_rows
    for place in np.delete(np.arange(rows.num_rows), kept).tolist():
        sentences[place] = scorer.refusal(rows.slice(place, 1))
    return pa.array(sentences, REFUSED.type)
