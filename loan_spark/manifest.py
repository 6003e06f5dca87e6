"""The manifest of a run: `_manifest.json`, beside the rows that it scored."""

from datetime import datetime

import msgspec
import numpy as np

from loan_spark.tables import Identity
from tabular_model.reference import Distribution, stability_index


class Counts(msgspec.Struct, frozen=True):
    """Rows that were read: of them those that were scored and refused, and of the scored ones those approved."""

    rows: int
    scored: int
    refused: int
    approved: int


class ScoreDistribution(msgspec.Struct, frozen=True):
    """The scores in the bins of the version's reference, beside the reference itself.

    `counts[i]` scores lie from `edges[i]` up to `edges[i + 1]`, those outside in the outermost bins. `psi` is the
    population stability index of both; None where nothing was scored.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    reference: tuple[int, ...]
    psi: float | None

    @classmethod
    def of(cls, reference: Distribution, counts: tuple[int, ...]) -> "ScoreDistribution":
        """The counts [bins] of scores, against a version's reference."""
        expected, found = np.array(reference.counts), np.array(counts)
        psi = stability_index(expected, found) if found.any() else None
        return cls(reference.edges, counts, reference.counts, psi)


class RunManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did: which version scored which input, how many rows, and how their scores are distributed."""

    run: str
    model: str
    version: str
    registry: str
    signer: str | None
    input: Identity
    output: str
    format: str
    partition_by: tuple[str, ...]
    counts: Counts
    most_refused: float
    scores: ScoreDistribution
    spark: str
    started: datetime
    seconds: float

    def encode(self) -> bytes:
        """UTF-8 JSON, indented by two spaces."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)
