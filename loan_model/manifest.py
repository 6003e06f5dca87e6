"""The manifest: what a version is, how it was made, and the digest of each of its files."""

import hashlib
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from loan_model.errors import IntegrityError
from loan_model.schema import Column

FILE = "manifest.json"
SIGNATURE = "manifest.sig"  # of the bytes of that file, see `signing`


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """What the version was trained on: where it came from, its rows and the sha256 of its content."""

    source: str
    rows: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One immutable version.

    `features` are the columns that the model was trained on: a protected column is among them only by an
    explicit choice. `run` identifies the training, so that a retried one does not publish twice.
    `signer` is the fingerprint of the key that signs this document, see `signing`; not there if none does.
    `files` maps each file's name to its sha256; `digest` is the sha256 of this document with an empty digest.
    """

    format: int = 1
    version: str
    run: str
    created: datetime
    schema: tuple[Column, ...]
    target: str
    features: tuple[str, ...]
    protected: tuple[str, ...]
    threshold: float
    algorithm: str
    parameters: dict[str, Any]
    seed: int
    data: Data
    libraries: dict[str, str]
    parent: str | None
    files: dict[str, str]
    signer: str | UnsetType = UNSET
    digest: str = ""

    def encode(self) -> bytes:
        """The canonical bytes of `manifest.json`, sealed with their digest."""
        # Decoded once, so that a number has one form: an int where a float belongs would be read back as a float.
        manifest = msgspec.json.decode(_encode(msgspec.structs.replace(self, digest="")), type=Manifest)
        return _encode(msgspec.structs.replace(manifest, digest=sha256(_encode(manifest))))

    @classmethod
    def decode(cls, content: bytes, where: str) -> "Manifest":
        """The manifest in `content`; IntegrityError if a byte of it was changed. `where` is for the message."""
        try:
            manifest = msgspec.json.decode(content, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise IntegrityError(f"{where} is not a manifest: {error}.") from error
        if manifest.encode() != content:
            raise IntegrityError(f"{where} was changed after it was published: its digest does not match.")
        return manifest

    def check(self, name: str, content: bytes, where: str) -> None:
        """IntegrityError unless `content` is what the manifest says of the file `name`."""
        if sha256(content) != self.files.get(name):
            raise IntegrityError(f"{where} was changed after it was published: its sha256 does not match.")


def _encode(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=2)
