"""A registry of versions in a container registry: each version is a tag, and so is each promotion.

`v3/manifest.json` is a file in the image with the tag `v3`; `promotions/000002.json` the layer of the artifact with the
tag `promotion-000002`. Versions are pushed (see `push`) and never written here: OCI's API cannot create a tag on the
condition that there is none, and so gives no number to one of two trainings alone.
"""

import re
from functools import lru_cache

from tabular_model.errors import RegistryError
from tabular_model.oci import image
from tabular_model.oci.client import Blob, Client
from tabular_model.oci.reference import Reference

_PROMOTION = re.compile(r"promotions/(\d{6})\.json")
_PROMOTION_TYPE = "application/vnd.loan-model.promotion.v1+json"
_KEPT = 4  # versions whose files stay in memory


class OciStorage:
    """Named objects of one repository; of one version's files where the address has a tag."""

    def __init__(self, url: str) -> None:
        reference = Reference.parse(url)
        self.url = str(reference)
        self._tag = reference.tag
        self._client = Client(reference)
        self._files = lru_cache(_KEPT)(self._pulled)

    def names(self, folder: str = "") -> set[str]:
        """What is directly in `folder`."""
        if self._tag:
            return set(self._files(self._tag)) if not folder else set()
        tags = self._client.tags()
        if folder == "promotions":
            return {f"{tag.removeprefix('promotion-')}.json" for tag in tags if tag.startswith("promotion-")}
        return {tag for tag in tags if not tag.startswith("promotion-")} if not folder else set()

    def exists(self, name: str) -> bool:
        """Whether there is the tag that the object is in."""
        tag = self._tag_of(name)
        return bool(tag) and self._client.exists(tag)

    def read(self, name: str) -> bytes:
        """FileNotFoundError when there is no such object."""
        tag = self._tag_of(name)
        files = self._files(tag) if tag else {}
        try:
            return files[name.rpartition("/")[2]]
        except KeyError:
            raise FileNotFoundError(name) from None

    def create(self, name: str, content: bytes) -> bool:
        """Writes a promotion unless it is there already, and says whether it wrote; RegistryError for all else.

        Of two written at the same moment, the later one stays.
        """
        if self._tag or not _PROMOTION.fullmatch(name):
            raise RegistryError(f"The registry {self.url} takes no new files: versions get there by being pushed.")
        if self.exists(name):
            return False
        layer = Blob(content, _PROMOTION_TYPE)
        described = layer.descriptor(annotations={image.TITLE: name.rpartition("/")[2]})
        manifest = image.artifact(image.EMPTY, [described], artifactType=_PROMOTION_TYPE)
        for blob in (image.EMPTY, layer):
            self._client.put_blob(blob.content)
        self._client.put_manifest(self._tag_of(name), manifest)
        return True

    def _tag_of(self, name: str) -> str:
        """Empty where no tag can hold it."""
        if promotion := _PROMOTION.fullmatch(name):
            return "" if self._tag else f"promotion-{promotion[1]}"
        folder = name.rpartition("/")[0]
        return folder if not self._tag else "" if folder else self._tag

    def _pulled(self, tag: str) -> dict[str, bytes]:
        """The files in a tag; empty where there is none. What is there never changes, so it is kept."""
        manifest = self._client.manifest(tag)
        if manifest is None:
            raise FileNotFoundError(tag)
        found = image.layers(manifest, f"{self.url} {tag}")
        if image.FOLDER in found:
            return image.unpack(self._client.blob(found[image.FOLDER]), f"{self.url} {tag}")
        return {title: self._client.blob(layer) for title, layer in found.items()}
