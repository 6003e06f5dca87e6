"""A day that a key has signed cannot be written anew without it."""

import shutil
import subprocess

import pytest
from typer.testing import CliRunner

from loan_cli.app import app
from tabular_model import signing
from tabular_model.decisions.retention import delete
from tabular_model.decisions.verify import verify
from tabular_model.signing import Signer, Trust
from tests.tabular_model.decisions.decided import DAY, closed, days, decided, recorded, writing, written

CLOSING, SIGNATURE = "date=2026-11-29/_closed/pod.json", "date=2026-11-29/_closed/pod.sig"


@pytest.fixture
def trust(keys):
    return Trust.read(keys / "signing.pub")


@pytest.fixture
def root(tmp_path, keys):
    """Two days of a writer that signs."""
    return two_days(tmp_path / "records", Signer.read(keys / "signing.key"))


def two_days(root, signer=None, name="a"):
    writer = writing(root, signer=signer)
    for day in range(2):
        written(writer, decided(name, at=DAY + days(day)))
    closed(writer)
    return root


def faults(root, trust=None):
    records = recorded(root)
    return [fault for day in records.days() for fault in verify(records, day, trust=trust).faults]


def command(root, *words):
    done = CliRunner().invoke(app, ["records", "verify", "--records", str(root), *map(str, words)])
    return done.exit_code, done.output.replace("\n", " ")


def test_signed_days_are_verified_with_the_key_and_without(root, keys, trust):
    assert faults(root, trust) == faults(root) == []
    assert command(root, "--verify-key", keys / "signing.pub")[0] == 0


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_openssl_verifies_a_signature_as_well(root, keys):
    verifying = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", keys / "signing.pub", "-rawin"]
    subprocess.run([*verifying, "-in", root / CLOSING, "-sigfile", root / SIGNATURE], check=True, capture_output=True)


def test_a_record_that_was_written_anew_without_the_key_is_found(root, keys, tmp_path, trust):
    anew = two_days(tmp_path / "anew", name="b")
    assert faults(anew) == []
    found = faults(anew, trust)
    assert [fault.partition(" is not signed, but only days of the record signed by SHA256:")[0] for fault in found] == [
        CLOSING,
        CLOSING.replace("29", "30"),
    ]
    shutil.copy(root / SIGNATURE, anew / SIGNATURE)
    assert f"{CLOSING} is not signed" in faults(anew, trust)[0]  # it names no signer
    assert command(anew, "--verify-key", keys / "signing.pub")[0] == 1


def test_a_record_that_another_key_signed_is_found(tmp_path, trust):
    other = signing.make(tmp_path / "other")
    found = faults(two_days(tmp_path / "anew", other), trust)
    assert f"{CLOSING} is signed by another key: by {other.fingerprint}, but only" in found[0]


@pytest.mark.parametrize("name", [CLOSING, SIGNATURE])
def test_a_closing_or_signature_that_was_changed_is_found(root, trust, name):
    content = (root / name).read_bytes()
    (root / name).write_bytes(content.replace(b'"rows":1', b'"rows":2') if name == CLOSING else content[::-1])
    assert f"{CLOSING} was changed after it was signed: its signature does not match." in faults(root, trust)


def test_a_signature_that_is_missing_or_of_no_writer_is_found(root, trust):
    (root / SIGNATURE).rename(root / SIGNATURE.replace("pod", "other"))
    assert faults(root) == ["date=2026-11-29/_closed/other.sig is not a part of the record."]
    assert f"{CLOSING} is not signed" in faults(root, trust)[1]


def test_a_writer_that_was_killed_while_it_closed_the_day_left_it_open(root, trust):
    (root / CLOSING.replace("29", "30")).unlink()
    found = verify(recorded(root), (DAY + days(1)).date(), trust=trust)
    assert (found.faults, found.open) == ([], ["pod"])


def test_a_day_is_deleted_with_its_signature(root):
    assert delete(recorded(root), DAY.date()) == 3
    assert not list((root / "date=2026-11-29").rglob("*.sig"))


@pytest.mark.parametrize("content", [None, "x"])
def test_a_key_that_cannot_be_used_is_said(root, tmp_path, content):
    if content:
        (tmp_path / "k.pub").write_text(content)
    code, said = command(root, "--verify-key", tmp_path / "k.pub")
    assert code == 1
    assert f"{tmp_path / 'k.pub'} " in said
    assert "Traceback" not in said
