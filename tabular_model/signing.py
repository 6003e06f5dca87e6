"""Signatures: which key published a version, or closed a day of the record, and whether that key is trusted.

`manifest.sig` holds the 64 bytes of the Ed25519 signature (RFC 8032) over `manifest.json` as it is in the file, so that
`openssl pkeyutl -verify -rawin` can check it as well. The manifest names its signer, and seals every other file. So
does a closing in the record of decisions, and what the writer wrote before it.
"""

import base64
import re
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tabular_model.errors import IntegrityError, KeyUnusable, NotSigned

_PUBLIC = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)
_RAW = serialization.Encoding.Raw, serialization.PublicFormat.Raw
_MAKE = "`loan keys make FOLDER` creates a pair"


class Signer:
    """Signs manifests and closings with a private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.fingerprint = fingerprint(key.public_key())

    @classmethod
    def read(cls, path: Path) -> "Signer":
        """The key in a PEM file (PKCS #8, not encrypted); KeyUnusable, which never shows what is in the file."""
        try:
            key = serialization.load_pem_private_key(_content(path), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise KeyUnusable(f"{path} is not a private key in PEM without a password; {_MAKE}.") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyUnusable(f"{path} contains a private key that is not Ed25519; {_MAKE}.")
        return cls(key)

    def sign(self, content: bytes) -> bytes:
        """The 64 bytes of the Ed25519 signature over `content`."""
        return self._key.sign(content)


class Trust:
    """The public keys whose signatures are accepted; more than one while a key is being replaced."""

    def __init__(self, *keys: Ed25519PublicKey) -> None:
        self._keys = {fingerprint(key): key for key in keys}

    @classmethod
    def read(cls, path: Path) -> "Trust":
        """The keys in a PEM file, as `parse` gives them."""
        return cls.parse(_content(path), str(path))

    @classmethod
    def parse(cls, content: bytes, path: str) -> "Trust":
        """The keys in PEM, one after the other; KeyUnusable if there is none or one is not Ed25519."""
        keys = []
        for block in _PUBLIC.findall(content):
            try:
                key = serialization.load_pem_public_key(block)
            except (ValueError, UnsupportedAlgorithm):
                raise KeyUnusable(f"{path} contains a public key that cannot be read; {_MAKE}.") from None
            if not isinstance(key, Ed25519PublicKey):
                raise KeyUnusable(f"{path} contains a public key that is not Ed25519; {_MAKE}.")
            keys.append(key)
        if not keys:
            raise KeyUnusable(f"{path} contains no public key in PEM; {_MAKE}.")
        return cls(*keys)

    def check(self, signer: object, content: bytes, signature: bytes | None, where: str, what: str) -> None:
        """IntegrityError unless `signature` is over `content`, and by a trusted key, which `content` names as `signer`.

        Says whether `where`, one of the things that are called `what`, is unsigned, signed by another, or changed after
        it was signed.
        """
        if signature is None or not isinstance(signer, str):
            raise NotSigned(f"{where} is not signed, but only {what} signed by {self} are accepted.")
        key = self._keys.get(signer)
        if key is None:
            raise IntegrityError(
                f"{where} is signed by another key: by {signer}, but only {what} signed by {self} are accepted."
            )
        try:
            key.verify(signature, content)
        except InvalidSignature:
            raise IntegrityError(f"{where} was changed after it was signed: its signature does not match.") from None

    def check_signer(self, signer: Signer | None) -> None:
        """KeyUnusable if versions that `signer` publishes would be rejected."""
        if signer is None:
            raise KeyUnusable(
                f"LOAN_VERIFY_KEY is set but LOAN_SIGNING_KEY is not: published versions must be signed by {self}."
            )
        if signer.fingerprint not in self._keys:
            raise KeyUnusable(
                f"LOAN_SIGNING_KEY is {signer.fingerprint}, but LOAN_VERIFY_KEY accepts only versions signed by {self}."
            )

    def __str__(self) -> str:
        return " or ".join(self._keys)


def make(folder: Path) -> Signer:
    """Writes `signing.key`, which only its owner can read, and `signing.pub`; KeyUnusable if one already exists."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, mode, content in (("signing.key", 0o600, private), ("signing.pub", 0o644, public)):
            path = folder / name
            path.touch(mode, exist_ok=False)
            path.write_bytes(content)
    except FileExistsError as error:
        raise KeyUnusable(f"{error.filename} already exists; a key is never overwritten.") from None
    except OSError as error:
        raise KeyUnusable(f"No key can be written to {folder}: {error.strerror}.") from error
    return Signer(key)


def fingerprint(key: Ed25519PublicKey) -> str:
    """As OpenSSH writes it: SHA256: and the base64 of the digest, here of the key's 32 bytes."""
    digest = sha256(key.public_bytes(*_RAW)).digest()
    return "SHA256:" + base64.b64encode(digest).rstrip(b"=").decode()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeyUnusable(f"The key file {path} cannot be read: {error.strerror}.") from None
