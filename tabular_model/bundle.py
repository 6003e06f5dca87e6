"""An OpenSSF Model Signing bundle of a version, by which tools other than these can verify it.

`model.sig` is a Sigstore bundle: the sha256 of every other file of the version, `manifest.json` and `manifest.sig`
included, signed by a key on one of NIST's curves. The OpenSSF's own library makes it, and knows no Ed25519 keys.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm

from tabular_model.errors import KeyUnusable, ModelError


class Bundler:
    """Makes bundles with a private key."""

    def __init__(self, signing: Any) -> None:
        self._signing = signing

    @classmethod
    def read(cls, path: Path) -> "Bundler":
        """The key in a PEM file, not encrypted; KeyUnusable, which never shows what is in the file."""
        try:
            from model_signing.signing import Config  # noqa: PLC0415 - it brings much that only this needs
        except ImportError:
            raise ModelError("model-signing is not installed: `pip install 'loan-model[model-signing]'`.") from None
        try:
            return cls(Config().use_elliptic_key_signer(private_key=path))  # type: ignore[no-untyped-call]
        except OSError as error:
            raise KeyUnusable(f"The key file {path} cannot be read: {error.strerror}.") from None
        except (ValueError, TypeError, AttributeError, UnsupportedAlgorithm):
            raise KeyUnusable(
                f"{path} is not a private key in PEM without a password, on the curve P-256, P-384 or P-521; "
                "`openssl ecparam -name prime256v1 -genkey -noout` makes one."
            ) from None

    def sign(self, files: Mapping[str, bytes], version: str) -> bytes:
        """The bundle over `files`, which are all of a version's, its manifest and its signature among them."""
        with TemporaryDirectory() as folder:
            model, bundle = Path(folder, version), Path(folder, "bundle")
            for name, content in files.items():
                path = model / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            self._signing.sign(model, bundle)
            return bundle.read_bytes()
