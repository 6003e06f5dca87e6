"""The version that a card is about: its files, each checked, and what the registry holds of its approval."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from tabular_model import reference, results
from tabular_model.alternatives import Alternatives
from tabular_model.errors import IntegrityError
from tabular_model.evaluate import CrossValidation
from tabular_model.explain import leaves, linear
from tabular_model.explain.coalitions import MOST_FEATURES
from tabular_model.manifest import Manifest
from tabular_model.metrics import CHANCE
from tabular_model.reference import Reference
from tabular_model.registry import Promotion, Registry
from tabular_model.results import Results
from tabular_model.schema import Column

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Subject:
    """A version with all its files, manifest and signatures among them, and all promotions of its registry.

    `verified` says whether its signature was checked against keys that the reader trusts. `alternatives` are there if
    other sets of columns were trained for the card.
    """

    manifest: Manifest
    files: dict[str, bytes]
    results: Results
    reference: Reference
    promotions: tuple[Promotion, ...]
    verified: bool
    alternatives: Alternatives | None = None

    @classmethod
    def read(cls, root: str, version: str, verify_key: Path | None) -> "Subject":
        """From a registry; IntegrityError for files that were changed, that a card cannot read, or not trusted."""
        registry = Registry.open(root, verify_key=verify_key)
        manifest, files = registry.export(version)
        try:
            measured = Results.decode(files[results.FILE])
            trained_on = Reference.decode(files[reference.FILE])
        except KeyError as error:
            raise IntegrityError(f"{version} has no {error.args[0]}, from which its card is written.") from None
        except msgspec.DecodeError as error:
            raise IntegrityError(f"{version} has files that its card cannot be written from: {error}.") from error
        return cls(manifest, files, measured, trained_on, tuple(registry.promotions()), verify_key is not None)

    @property
    def name(self) -> str:
        """The model and the version."""
        return f"{self.manifest.model} {self.manifest.version}"

    @property
    def champion(self) -> str | None:
        """The version that was promoted last."""
        return self.promotions[-1].version if self.promotions else None

    @property
    def trained(self) -> list[Column]:
        """The columns that the model was trained on."""
        return [column for column in self.manifest.schema if column.name in self.manifest.features]

    @property
    def protected_and_trained(self) -> list[str]:
        """The names of the protected columns that the model was trained on."""
        return [column.name for column in self.trained if column.protected]

    @property
    def validated(self) -> CrossValidation | None:
        """The cross-validation of the algorithm that was chosen."""
        return self.results.cross_validation.get(self.manifest.algorithm)

    @property
    def signal(self) -> bool:
        """Whether the model is better than chance on the holdout and in cross-validation."""
        pooled = self.validated.pooled_auc if self.validated else None
        return self.results.holdout.auc.is_above(CHANCE) and (pooled is None or pooled.is_above(CHANCE))

    @property
    def exact_reasons(self) -> bool:
        """Whether contributions are computed and not estimated from a sample."""
        return bool({leaves.FILE, linear.FILE} & self.files.keys()) or len(self.trained) <= MOST_FEATURES
