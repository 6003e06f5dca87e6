"""The version that scores, as the driver sends it to each Python worker."""

from pathlib import Path
from typing import NamedTuple

from model_server.batch import MOST_ROWS, BatchScorer
from model_server.dataplane import DataPlane
from model_server.metrics import Metrics
from model_server.repository import ModelRepository
from model_server.settings import ServerSettings
from tabular_model.manifest import Manifest
from tabular_model.registry import Registry
from tabular_model.signing import Trust
from tabular_model.storage import Held


class ShippedVersion(NamedTuple):
    """A version's files, and the keys that are trusted, so that no executor needs the registry or its credentials."""

    name: str
    url: str
    files: dict[str, bytes]
    keys: bytes
    refuse_out_of_range: bool

    @classmethod
    def of(cls, registry: str | Path, version: str | None, verify_key: Path | None = None) -> "ShippedVersion":
        """A version of a registry, else its default. RegistryError if it is not there, not signed or changed."""
        settings = ServerSettings.read(registry=str(registry), **({"verify_key": verify_key} if verify_key else {}))
        opened = Registry.open(settings.registry, verify_key=settings.verify_key)
        name = version or opened.default()
        keys = settings.verify_key.read_bytes() if settings.verify_key else b""
        return cls(name, opened.url, opened.export(name).files, keys, settings.refuse_out_of_range)

    @property
    def manifest(self) -> Manifest:
        """The version's manifest."""
        return self._registry().manifest(self.name)

    def scorer(self, source: str, names: list[str], explain: bool) -> BatchScorer:
        """What scores the batches of a table; checks the version's hashes and signature, as a server does.

        IntegrityError where they do not match, DataError where the table is not one that the version scores.
        """
        settings = ServerSettings.read(max_rows=MOST_ROWS, refuse_out_of_range=self.refuse_out_of_range)
        metrics = Metrics()
        plane = DataPlane(ModelRepository(self._registry(), settings, metrics), metrics)
        return BatchScorer(plane, plane.repository.get(self.name), source, names, explain)

    def _registry(self) -> Registry:
        trust = Trust.parse(self.keys, "The driver's key file") if self.keys else None
        return Registry(Held(self.url, self.files), trust)
