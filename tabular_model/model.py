"""A loaded version: scores and explains rows."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tabular_model.explain import Reasons, explainer
from tabular_model.manifest import Manifest
from tabular_model.reference import Reference
from tabular_model.registry import Artifact, Registry
from tabular_model.schema import Column
from tabular_model.scoring.scorer import Matrix, Scorer, Vector
from tabular_model.scoring.tables import FEW_ROWS


class Scores(NamedTuple):
    """`probability` of approval, float64 [n]; `decision`, int64 [n], 1 where it reaches the threshold."""

    probability: Vector
    decision: NDArray[np.int64]


def _written(column: Column, value: float) -> Any:
    if column.type == "category":
        return column.levels[int(value)]
    if column.type == "boolean":
        return bool(value)
    return int(value) if value == int(value) else value


class TabularModel:
    """One version, ready to score; safe to use from many threads."""

    def __init__(self, artifact: Artifact, threads: int = 1) -> None:
        self.manifest: Manifest = artifact.manifest
        self.version = self.manifest.version
        self.columns = self.manifest.schema
        self._scorer = Scorer(artifact.files, self.version, threads)
        self.baseline = Reference.decode(artifact.files["reference.json"]).baseline
        self._explainer = explainer(
            artifact.files, self._scorer.probabilities, self.columns, self.manifest.features, self.baseline
        )

    @classmethod
    def from_registry(cls, registry: Registry, version: str, threads: int = 1) -> "TabularModel":
        """VersionNotFound if there is none; IntegrityError if a file was changed or the model cannot be loaded."""
        return cls(registry.load(version), threads)

    def example(self) -> dict[str, Any]:
        """A typical row that is approved, as the plain JSON API writes it."""
        return {column.name: _written(column, self.baseline[column.name]) for column in self.columns}

    def score(self, matrix: Matrix) -> Scores:
        """`matrix` is float64 [n, columns] in the schema's order, NaN for missing."""
        probability = self._scorer.probabilities(matrix)
        threshold = self.manifest.threshold
        if len(probability) <= FEW_ROWS:  # without numpy's calls, which take 5 us between two requests
            return Scores(probability, np.array([each >= threshold for each in probability.tolist()], np.int64))
        return Scores(probability, (probability >= threshold).astype(np.int64))

    def reason_codes(self, matrix: Matrix) -> list[list[str]]:
        """Up to four reasons a row that lowered its score, most important first, padded with empty strings."""
        return self._explainer.reason_codes(matrix)

    def reasons(self, matrix: Matrix) -> Reasons:
        """The same, with the part of each column, and their standard error where they are estimates."""
        return self._explainer.reasons(matrix)
