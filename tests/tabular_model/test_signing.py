"""Versions are signed, and one that is unsigned, changed or signed by another is rejected with the right word."""

import shutil
import subprocess

import msgspec
import obstore
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import LocalStore

from tabular_model import signing
from tabular_model.errors import IntegrityError, KeyUnusable
from tabular_model.manifest import Manifest
from tabular_model.registry import Registry
from tabular_model.signing import Signer, Trust
from tests.tabular_model.versions import FILES, manifest, publish

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")


@pytest.fixture
def signer(keys):
    return Signer.read(keys / "signing.key")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "registry"


@pytest.fixture
def store(root):
    return LocalStore(root, mkdir=True)


@pytest.fixture
def trusting(root, keys):
    return Registry.open(root, create=True, verify_key=keys / "signing.pub")


def content(store, name):
    return bytes(obstore.get(store, name).bytes())


def test_a_signed_version_is_read_with_the_key_and_without(root, trusting, signer):
    published = publish(trusting, signer=signer)
    assert published.signer == signer.fingerprint
    assert trusting.load("v1").files == Registry.open(root).load("v1").files == FILES


def test_an_unsigned_version_is_refused_as_unsigned(root, trusting, signer):
    publish(Registry.open(root))
    with pytest.raises(IntegrityError, match=r"v1 is not signed, but only versions signed by SHA256:"):
        trusting.load("v1")


def test_a_version_whose_signature_was_taken_away_is_unsigned(store, trusting, signer):
    publish(trusting, signer=signer)
    obstore.delete(store, "v1/manifest.sig")
    with pytest.raises(IntegrityError, match="v1 is not signed"):
        trusting.read("v1", "model.onnx")


def test_a_version_of_another_key_is_refused_with_both_named(root, trusting, signer, tmp_path):
    other = signing.make(tmp_path / "other")
    publish(Registry.open(root), signer=other)
    with pytest.raises(IntegrityError) as refused:
        trusting.manifest("v1")
    assert "v1 is signed by another key" in str(refused.value)
    assert other.fingerprint in str(refused.value)
    assert signer.fingerprint in str(refused.value)


def test_a_manifest_that_was_changed_and_sealed_again_is_refused_as_changed(store, trusting, signer):
    """What the digest inside cannot see: whoever can write can also seal."""
    publish(trusting, signer=signer)
    sealed = Manifest.decode(content(store, "v1/manifest.json"), "v1")
    obstore.put(store, "v1/manifest.json", msgspec.structs.replace(sealed, threshold=0.01).encode())
    assert Registry(trusting._storage).manifest("v1").threshold == 0.01
    with pytest.raises(IntegrityError, match="v1 was changed after it was signed"):
        trusting.manifest("v1")


def test_another_who_gives_our_fingerprint_is_refused(store, trusting, signer, tmp_path):
    other = signing.make(tmp_path / "other")
    forged = msgspec.structs.replace(manifest("v1", {}), signer=signer.fingerprint).encode()
    obstore.put(store, "v1/manifest.sig", other.sign(forged))
    obstore.put(store, "v1/manifest.json", forged)
    with pytest.raises(IntegrityError, match="its signature does not match"):
        trusting.manifest("v1")


def test_a_changed_file_is_refused_whatever_is_signed(store, trusting, signer):
    publish(trusting, signer=signer)
    obstore.put(store, "v1/model.onnx", b"another model")
    with pytest.raises(IntegrityError, match=r"v1/model\.onnx was changed"):
        trusting.load("v1")


def test_a_signed_version_is_not_taken_for_another_number(store, trusting, signer):
    publish(trusting, signer=signer)
    for name in ("manifest.json", "manifest.sig"):
        obstore.put(store, f"v2/{name}", content(store, f"v1/{name}"))
    with pytest.raises(IntegrityError, match="manifest of v1, not of v2"):
        trusting.load("v2")


@given(position=st.integers(0, 63), change=st.integers(1, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_byte_of_a_signature_is_refused(signer, position, change):
    published = msgspec.structs.replace(manifest("v1", {}), signer=signer.fingerprint)
    sealed = published.encode()
    signature = bytearray(signer.sign(sealed))
    trust = Trust(signer._key.public_key())
    trust.check(published.signer, sealed, bytes(signature), "v1", "versions")
    signature[position] ^= change
    with pytest.raises(IntegrityError, match="v1 was changed"):
        trust.check(published.signer, sealed, bytes(signature), "v1", "versions")


def test_two_keys_are_trusted_while_one_is_replaced(root, keys, signer, tmp_path):
    new = signing.make(tmp_path / "new")
    publish(Registry.open(root, create=True), signer=signer)
    publish(Registry.open(root), signer=new)
    both = tmp_path / "both.pem"
    both.write_bytes(b"".join((folder / "signing.pub").read_bytes() for folder in (keys, tmp_path / "new")))
    registry = Registry.open(root, verify_key=both)
    assert [registry.manifest(version).signer for version in ("v1", "v2")] == [signer.fingerprint, new.fingerprint]


@needs_openssl
def test_openssl_verifies_it_too(root, keys, signer):
    publish(Registry.open(root, create=True), signer=signer)
    command = (
        "openssl pkeyutl -verify -pubin -inkey {key} -rawin -in {folder}/manifest.json -sigfile {folder}/manifest.sig"
    )
    for folder, code in ((root / "v1", 0), (root / "v1", 1)):
        done = subprocess.run(
            command.format(key=keys / "signing.pub", folder=folder).split(), capture_output=True, check=False
        )
        assert done.returncode == code
        (folder / "manifest.json").write_bytes(b"{}")


@needs_openssl
def test_a_key_made_by_openssl_signs(tmp_path):
    for command in ("genpkey -algorithm ed25519 -out k.pem", "pkey -in k.pem -pubout -out k.pub"):
        subprocess.run(["openssl", *command.split()], cwd=tmp_path, check=True, capture_output=True)
    assert Signer.read(tmp_path / "k.pem").fingerprint == str(Trust.read(tmp_path / "k.pub"))


def test_what_would_be_refused_is_not_published(trusting, tmp_path):
    for signer in (None, signing.make(tmp_path / "other")):
        with pytest.raises(KeyUnusable, match="LOAN_SIGNING_KEY"):
            publish(trusting, signer=signer)
    assert trusting.versions() == []


@pytest.mark.parametrize("read", [Signer.read, Trust.read])
@pytest.mark.parametrize(
    "content", [None, b"", b"hunter2", b"-----BEGIN PUBLIC KEY-----\nhunter2\n-----END PUBLIC KEY-----"]
)
def test_a_key_that_is_none_is_named_and_never_shown(read, content, tmp_path):
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(KeyUnusable, match=r"key\.pem") as refused:
        read(path)
    assert "hunter2" not in str(refused.value)


def test_a_key_of_another_kind_is_refused(tmp_path):
    key = generate_private_key(SECP256R1())
    (tmp_path / "k").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "p").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    for read, name in ((Signer.read, "k"), (Trust.read, "p")):
        with pytest.raises(KeyUnusable, match="not Ed25519"):
            read(tmp_path / name)


def test_a_private_key_is_its_owners_alone_and_never_overwritten(keys):
    assert (keys / "signing.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyUnusable, match="never overwritten"):
        signing.make(keys)
