"""The manifest: what a version is, how it was made, and the digest of each of its files."""

import hashlib
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from tabular_model import legacy
from tabular_model.comparison import Comparison
from tabular_model.errors import IntegrityError
from tabular_model.schema import Column, Law, Target

FORMAT = 2
FILE = "manifest.json"
SIGNATURE = "manifest.sig"  # of the bytes of that file, see `signing`
BUNDLE = "model.sig"  # of all other files, for other tools, see `bundle`
PIPELINE = "pipeline.py"  # the code of a custom pipeline


def sha256(content: bytes) -> str:
    """The digest as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """What the version was trained on: where it came from, its rows and the sha256 of its content.

    `holdout` is the share of rows that it was judged on, by the columns `group` and `time` where there are such.
    """

    source: str
    rows: int
    sha256: str
    holdout: float = 0.25
    group: str = ""
    time: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One immutable version.

    `features` are the columns that the model was trained on: a protected column is among them only by an
    explicit choice. `run` identifies the training, so that a retried one does not publish twice.
    `id` is the column by which callers name an application, `law` the laws that the declaration names; both are absent
    where it names none, and in earlier versions.
    `compiled` is how the compiled model compares with the pipeline, absent in earlier versions.
    `engine` is what kept the rows where they were not in memory: stream or spark.
    `commit` is that of the training's source, `job` the Kubernetes Job that it ran in; absent where nobody said so.
    `signer` is the fingerprint of the key that signs this document, see `signing`; absent if there is none.
    `files` maps each file's name to its sha256; `digest` is the sha256 of this document with an empty digest.
    """

    format: int = FORMAT
    model: str
    version: str
    run: str
    created: datetime
    schema: tuple[Column, ...]
    target: Target
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
    id: str | UnsetType = UNSET
    law: tuple[Law, ...] | UnsetType = UNSET
    compiled: Comparison | UnsetType = UNSET
    engine: str | UnsetType = UNSET
    commit: str | UnsetType = UNSET
    job: str | UnsetType = UNSET
    signer: str | UnsetType = UNSET
    digest: str = ""

    def encode(self) -> bytes:
        """The canonical bytes of `manifest.json`, sealed with their digest."""
        # Decoded once, so that a number has one form: an int where a float belongs would be read back as a float.
        manifest = msgspec.json.decode(_canonical(msgspec.structs.replace(self, digest="")), type=Manifest)
        return _canonical(msgspec.structs.replace(manifest, digest=sha256(_canonical(manifest))))

    @classmethod
    def decode(cls, content: bytes, where: str) -> "Manifest":
        """The manifest in `content`, of any format that there has been; `where` is for the message.

        IntegrityError if a byte of it was changed, or if its format is not known.
        """
        try:
            document = msgspec.json.decode(content, type=dict[str, Any])
            number = document["format"]
            sealed = _canonical(document | {"digest": sha256(_canonical(document | {"digest": ""}))})
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError) as error:
            raise IntegrityError(f"{where} is not a manifest: {error}.") from error
        if sealed != content:
            raise IntegrityError(f"{where} was changed after it was published: its digest does not match.")
        if number not in (1, FORMAT):
            raise IntegrityError(
                f"{where} has the format {number}, but this program reads only formats 1 to {FORMAT}; "
                "a newer program is needed."
            )
        try:
            return msgspec.convert(document if number == FORMAT else legacy.upgrade(document), cls)
        except (msgspec.ValidationError, KeyError) as error:
            raise IntegrityError(f"{where} is not a manifest: {error}.") from error

    def check(self, name: str, content: bytes, where: str) -> None:
        """IntegrityError unless `content` is what the manifest says of the file `name`."""
        if sha256(content) != self.files.get(name):
            raise IntegrityError(f"{where} was changed after it was published: its sha256 does not match.")


def _canonical(document: Manifest | dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2)
