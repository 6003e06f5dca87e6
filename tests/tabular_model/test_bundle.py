"""A version signed for other tools: what the OpenSSF's own command line makes of it."""

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner

from loan_cli.app import app
from tabular_model import signing
from tabular_model.bundle import Bundler
from tabular_model.errors import KeyUnusable, ModelError
from tabular_model.registry import Registry
from tests.tabular_model.versions import FILES, manifest, publish


def make(folder, name="bundle", curve=None):
    """NAME.key and NAME.pub in a folder."""
    key = ec.generate_private_key(curve or ec.SECP256R1())
    private = folder / f"{name}.key"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private.with_suffix(".pub").write_bytes(public)
    return private


@pytest.fixture
def key(tmp_path):
    return make(tmp_path)


@pytest.fixture
def signer(tmp_path):
    return signing.make(tmp_path / "keys")


@pytest.fixture
def root(tmp_path, signer):
    """A registry with v1, which has the project's own signature."""
    publish(Registry.open(tmp_path / "registry", create=True), signer=signer)
    return tmp_path / "registry"


@pytest.fixture
def sign(root):
    return lambda key, version="v1": CliRunner().invoke(
        app, ["versions", "sign", version, "--key", str(key), "--registry", str(root)]
    )


def verified(folder, public):
    """Whether their command line says so, and what it says."""
    command = [Path(sys.executable).with_name("model_signing"), "verify", "key", folder]
    options = ["--signature", folder / "model.sig", "--public_key", public]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_their_command_line_verifies_a_version_with_every_key_that_they_have(root, sign, tmp_path, curve):
    key = make(tmp_path, "own", curve)
    done = sign(key)
    assert done.exit_code == 0, done.output
    assert '"audit":"sign"' in done.stderr
    assert verified(root / "v1", key.with_suffix(".pub")) == (True, "Verification succeeded\n")


def test_another_key_or_any_change_fails(root, sign, key, tmp_path):
    sign(key)
    public = key.with_suffix(".pub")
    assert not verified(root / "v1", make(tmp_path, "other").with_suffix(".pub"))[0]
    for name in ("model.onnx", "manifest.sig"):
        path = root / "v1" / name
        content = path.read_bytes()
        path.write_bytes(content[:-1] + b"x")
        assert not verified(root / "v1", public)[0], name
        path.write_bytes(content)
    (root / "v1/more").touch()
    assert not verified(root / "v1", public)[0]


def test_a_bundle_changes_nothing_for_our_own_readers(root, sign, key, tmp_path):
    before = Registry.open(root).load("v1")
    sign(key)
    trusting = Registry.open(root, verify_key=tmp_path / "keys/signing.pub")
    assert trusting.load("v1") == before
    assert set(trusting.export("v1").files) == {*FILES, "manifest.json", "manifest.sig", "model.sig"}


def test_a_training_with_a_key_publishes_the_bundle_with_the_version(root, signer, key, tmp_path):
    registry = Registry.open(root)
    registry.publish(FILES, manifest, signer, Bundler.read(key))
    registry.publish(FILES, manifest, None, Bundler.read(key))
    for version in ("v2", "v3"):
        assert verified(root / version, key.with_suffix(".pub"))[0]
    assert registry.export("v2").files.keys() - registry.export("v3").files.keys() == {"manifest.sig"}


def test_a_bundle_is_never_replaced(root, sign, key):
    sign(key)
    content = (root / "v1/model.sig").read_bytes()
    again = sign(key)
    assert (again.exit_code, "v1/model.sig is already in the registry" in again.stderr) == (1, True)
    assert (root / "v1/model.sig").read_bytes() == content


def test_a_changed_version_is_not_signed(root, sign, key):
    (root / "v1/model.onnx").write_bytes(b"another")
    assert "v1/model.onnx was changed" in sign(key).stderr
    assert not (root / "v1/model.sig").exists()


@pytest.mark.parametrize("kind", ["absent", "nonsense", "ed25519", "another curve"])
def test_a_key_that_is_none_is_named_and_never_shown(tmp_path, kind):
    path = tmp_path / "bundle.key"
    if kind == "nonsense":
        path.write_text("hunter2")
    elif kind == "ed25519":
        signing.make(tmp_path / "keys")
        path = tmp_path / "keys/signing.key"
    elif kind == "another curve":
        make(tmp_path, curve=ec.SECP256K1())
    with pytest.raises(KeyUnusable, match=path.name) as refused:
        Bundler.read(path)
    assert "hunter2" not in str(refused.value)


def test_where_the_library_is_missing_it_is_named(key, monkeypatch):
    monkeypatch.setitem(sys.modules, "model_signing.signing", None)
    with pytest.raises(ModelError, match=r"loan-model\[model-signing\]"):
        Bundler.read(key)


def test_a_key_for_another_purpose_is_refused_before_the_training(tmp_path, data_file):
    signing.make(tmp_path / "keys")
    command = ["train", "--data", str(data_file), "--registry", str(tmp_path / "registry")]
    done = CliRunner().invoke(app, [*command, "--bundle-key", str(tmp_path / "keys/signing.key")])
    assert (done.exit_code, "on the curve P-256" in done.stderr) == (1, True)
    assert not (tmp_path / "registry").exists()
