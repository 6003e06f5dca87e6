"""A loaded version: scores and explains applications."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loan_model.explain import Explainer
from loan_model.manifest import Manifest
from loan_model.reference import Reference
from loan_model.registry import Artifact, Registry
from loan_model.scorer import Matrix, Scorer, Vector


class Scores(NamedTuple):
    """`probability` of approval, float64 [n]; `decision`, int64 [n], 1 where it reaches the threshold."""

    probability: Vector
    decision: NDArray[np.int64]


class LoanModel:
    """One version, ready to score; safe to use from many threads."""

    def __init__(self, artifact: Artifact, threads: int = 1) -> None:
        self.manifest: Manifest = artifact.manifest
        self.version = self.manifest.version
        self.columns = self.manifest.schema
        self._scorer = Scorer(artifact.files, self.version, threads)
        self._explainer = Explainer(
            self._scorer.probabilities,
            self.columns,
            self.manifest.features,
            Reference.decode(artifact.files["reference.json"]).baseline,
        )

    @classmethod
    def from_registry(cls, registry: Registry, version: str, threads: int = 1) -> "LoanModel":
        return cls(registry.load(version), threads)

    def score(self, matrix: Matrix) -> Scores:
        """`matrix` is float64 [n, columns] in the schema's order, NaN for missing."""
        probability = self._scorer.probabilities(matrix)
        return Scores(probability, (probability >= self.manifest.threshold).astype(np.int64))

    def reason_codes(self, matrix: Matrix) -> list[list[str]]:
        """Up to four reasons a row that lowered its score, most important first, padded with empty strings."""
        return self._explainer.reason_codes(matrix)
