import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from tabular_model import signing
from tabular_model.registry import Registry
from tests.tabular_model.card.changed import republished
from tests.tabular_model.card.test_card import loan

AUDIT = (
    '{"audit":"train","who":"ann","what":"v1","when":"2026-11-30T03:00:00Z","result":"done"}',
    "INFO: v1 is served",
    '{"audit":"promote","who":"ann","what":"v1","when":"2026-11-30T04:00:00Z","result":"done","why":"better"}',
    '{"audit":"promote","who":"ann","what":"v12","when":"2026-11-30T05:00:00Z","result":"done","why":"better"}',
)
REASON = "better | *says* <b>the board</b>\nagain"
ROLLED_OUT = '{"event":"Promoted","who":"ann","before":{"stable":"v0","canary":"v1","weight":50},"why":"no worse"}'


@pytest.fixture(scope="module")
def bundle(trained_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The evidence of a signed version that was promoted, signed too, beside its registry, keys and logs."""
    tmp_path = tmp_path_factory.mktemp("evidence")
    signer = signing.make(tmp_path / "keys")
    registry = republished(trained_registry, tmp_path / "registry", signer=signer)
    registry.promote("v1", by="ann", reason=REASON, force=True)
    (tmp_path / "audit.log").write_text("\n".join(AUDIT))
    (tmp_path / "rollout.log").write_text(ROLLED_OUT)
    write(tmp_path, tmp_path / "evidence.tar.gz")
    return tmp_path / "evidence.tar.gz"


def write(folder: Path, bundle: Path) -> str:
    logs = ("--audit", folder / "audit.log", "--judgements", folder / "rollout.log")
    key = ("--signing-key", folder / "keys/signing.key")
    done = loan("card", "v1", "--registry", folder / "registry", "--bundle", bundle, *logs, *key)
    assert done.exit_code == 0, done.output
    return done.output


def unpacked(bundle: Path) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(bundle.read_bytes())) as tar:
        files = {member.name.removeprefix("loan-v1/"): tar.extractfile(member) for member in tar}
        return {name: file.read() for name, file in files.items() if file}


def test_it_holds_what_proves_the_version(bundle: Path) -> None:
    files = unpacked(bundle)
    assert sorted(files) == [
        *("SHA256SUMS", "SHA256SUMS.sig", "audit.jsonl", "card.html", "card.md", "evidence.json", "judgements.jsonl"),
        *("manifest.json", "manifest.sig", "metrics.json", "promotions.json", "verdict.json"),
    ]
    sums = dict(reversed(line.split("  ")) for line in files["SHA256SUMS"].decode().splitlines())
    assert sums == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in files.items()
        if not name.startswith("SHA256SUMS")
    }
    manifest = Registry.open(bundle.parent / "registry").manifest("v1")
    assert manifest.files["metrics.json"] == sums["metrics.json"]
    assert json.loads(files["verdict.json"]) == json.loads(files["metrics.json"])["verdict"]
    assert json.loads(files["promotions.json"])[0]["reason"] == REASON
    assert r"| ann | better \| *says* \<b\>the board\</b\> again |".replace("*", r"\*") in files["card.md"].decode()
    assert "better | *says* &lt;b&gt;the board&lt;/b&gt;" in files["card.html"].decode()
    signer = signing.Signer.read(bundle.parent / "keys/signing.key")
    assert files["SHA256SUMS.sig"] == signer.sign(files["SHA256SUMS"])  # Ed25519 signs alike each time
    assert json.loads(files["evidence.json"]) == {
        "model": "loan",
        "version": "v1",
        "manifest": manifest.digest,
        "audit_lines": 2,
        "audit_lines_left_out": 1,
        "judgements": 1,
        "judgements_left_out": 0,
        "signer": signer.fingerprint,
    }


def test_lines_of_other_versions_and_of_other_logs_stay_out(bundle: Path) -> None:
    files = unpacked(bundle)
    assert files["audit.jsonl"].decode().splitlines() == [AUDIT[0], AUDIT[2]]
    assert files["judgements.jsonl"].decode() == ROLLED_OUT + "\n"


def test_the_same_inputs_give_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    said = write(bundle.parent, tmp_path / "again" / "evidence.tar.gz")
    assert (tmp_path / "again" / "evidence.tar.gz").read_bytes() == bundle.read_bytes()
    assert '"audit":"sign"' in said
    assert "with 2 audit lines and 1 judgements, signed by SHA256:" in said


def test_without_a_key_it_says_that_it_is_not_signed(trained_registry: Path, tmp_path: Path) -> None:
    done = loan("card", "v1", "--registry", trained_registry, "--bundle", tmp_path / "evidence.tar.gz")
    assert done.output.endswith("with 0 audit lines and 0 judgements, not signed.\n")
    files = unpacked(tmp_path / "evidence.tar.gz")
    assert not {"SHA256SUMS.sig", "manifest.sig"} & files.keys()
    assert "signer" not in json.loads(files["evidence.json"])


@pytest.mark.parametrize(
    ("option", "content", "said"),
    [
        ("--audit", "INFO: started\n\xff", "log contains no audit line, which is a line of JSON with the key audit."),
        ("--judgements", "[1]", "log contains no judgement, which is a line of JSON with the key event or verdict."),
        ("--audit", None, "log cannot be read: No such file or directory."),
        ("--signing-key", "no key", "log is not a private key in PEM"),
    ],
)
def test_a_log_or_key_that_is_none_is_one_sentence(
    trained_registry: Path, tmp_path: Path, option: str, content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "log").write_bytes(content.encode("latin-1"))
    command = ("card", "v1", "--registry", trained_registry, "--bundle", tmp_path / "e.tar.gz")
    done = loan(*command, option, tmp_path / "log")
    assert done.exit_code == 1
    assert said in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "e.tar.gz").exists()
