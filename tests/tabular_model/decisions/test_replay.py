"""A decision is shown again with the same bits, or what changed is said."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from loan_cli.app import app
from tabular_model.decisions.made import Decided
from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tests.tabular_model.decisions.decided import closed, refused, writing, written

ROWS = np.array(
    [[41, 82000, 715, 15000, 5, 3, 0.0], [np.nan, 40000, np.nan, 50000, 30, 15, 1], [25, 1e5, 300, 5e4, 9, 0, 0]]
)


@pytest.fixture(scope="module")
def model(trained_registry):
    return TabularModel.from_registry(Registry.open(trained_registry), "v1")


@pytest.fixture
def root(tmp_path, model):
    """A record of three applications, the last with its reasons asked for."""
    writer = writing(tmp_path / "records")
    now = datetime.now(UTC)
    made = Decided(model.manifest, now, "r-1", ["A-1", "A-2"], ROWS[:2], model.score(ROWS[:2]))
    reasons = model.reason_codes(ROWS[2:])
    written(writer, made, Decided(model.manifest, now, "r-2", None, ROWS[2:], model.score(ROWS[2:]), reasons))
    closed(writer)
    return tmp_path / "records"


def run(*words):
    return CliRunner().invoke(app, [*map(str, words)])


def replay(root, registry, name, *more):
    return run("replay", name, "--records", root, "--registry", registry, *more)


def shown(output):
    decoder, found, rest = json.JSONDecoder(), [], output.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        found.append(value)
        rest = rest[end:].strip()
    return found


def test_a_decision_is_shown_again_with_the_same_bits(root, trained_registry, model):
    (one,) = shown(replay(root, trained_registry, "A-2").stdout)
    assert (one["version"], one["row"], one["changed"]) == ("v1", 1, [])
    assert one["replayed"] == one["recorded"]
    assert one["recorded"]["probability"] == model.score(ROWS[1:2]).probability[0]
    assert one["application"]["Credit_Score"] is None
    assert "Age" not in one["application"]
    (other,) = shown(replay(root, trained_registry, "r-2").stdout)
    assert other["replayed"]["reason_codes"] == [code for code in model.reason_codes(ROWS[2:])[0] if code]
    assert [each["id"] for each in shown(replay(root, trained_registry, "r-1").stdout)] == ["A-1", "A-2"]
    assert shown(replay(root, trained_registry, other["record"]).stdout) == [other]


def test_an_answer_that_is_another_is_said_and_the_command_fails(tmp_path, trained_registry, model):
    scores = model.score(ROWS[:1])
    other = scores._replace(probability=np.nextafter(scores.probability, 0), decision=1 - scores.decision)
    made = Decided(model.manifest, datetime.now(UTC), "", ["A-1"], ROWS[:1], other)
    written(writing(tmp_path), made)
    done = replay(tmp_path, trained_registry, "A-1")
    assert done.exit_code == 1
    was, now = float(other.probability[0]), float(scores.probability[0])
    assert f"probability was {was}, and is {now}; " in done.stderr.replace("\n", "")
    assert "decision was" in done.stderr
    assert "reason" not in done.stderr


def test_another_version_under_the_same_number_is_not_taken_for_the_one_that_decided(root, trained_registry, tmp_path):
    other = tmp_path / "registry"
    registry = Registry.open(other, create=True)
    artifact = Registry.open(trained_registry).load("v2")
    registry.publish(artifact.files, lambda version, sums: _renamed(artifact.manifest, version, sums))
    done = replay(root, other, "A-1")
    assert done.exit_code == 1
    assert "is not the version that decided: its manifest's digest is" in done.stderr


def _renamed(manifest, version, sums):
    return msgspec.structs.replace(manifest, version=version, files=sums)


def test_a_version_that_was_changed_is_refused(root, trained_registry, tmp_path):
    copy = shutil.copytree(trained_registry, tmp_path / "registry")
    file = copy / "v1/model.onnx"
    file.write_bytes(file.read_bytes() + b"x")
    done = replay(root, copy, "A-1")
    assert (done.exit_code, "was changed after it was published" in done.stderr) == (1, True)


def test_an_unsigned_version_is_refused_where_a_key_is_given(root, trained_registry, tmp_path):
    run("keys", "make", tmp_path)
    done = replay(root, trained_registry, "A-1", "--verify-key", tmp_path / "signing.pub")
    assert (done.exit_code, "sign" in done.stderr) == (1, True)


def test_an_unknown_id_is_said(root, trained_registry):
    done = replay(root, trained_registry, "A-9", "--from", "2020-01-01")
    assert done.exit_code == 1
    assert "has no decision with the id A-9 from 2020-01-01 to the last" in done.stderr.replace("\n", " ")
    done = replay(root, trained_registry, "A-1", "--to", "2020-01-01")
    assert "has no decision with the id A-1" in done.stderr


def test_a_refused_request_has_nothing_to_show(tmp_path, trained_registry, model):
    written(writing(tmp_path), refused("No rows.", of=model.manifest))
    done = replay(tmp_path, trained_registry, "r-1")
    assert (done.exit_code, "The request got no decision from v1: No rows." in done.stderr) == (1, True)


def test_a_version_that_uses_a_protected_column_needs_its_record(tmp_path, trained_registry, monkeypatch, model):
    using = msgspec.structs.replace(model.manifest, features=("Age", *model.manifest.features))
    monkeypatch.setattr(Registry, "manifest", lambda *_: using)
    made = Decided(using, datetime.now(UTC), "", ["A-1"], ROWS[:1], model.score(ROWS[:1]))
    written(writing(tmp_path / "records", protected=tmp_path / "protected"), made)
    done = replay(tmp_path / "records", trained_registry, "A-1")
    assert "v1 was trained on the protected column Age: give the place" in done.stderr


def test_the_record_is_verified_joined_and_expired_by_commands(root, tmp_path):
    done = run("records", "verify", "--records", root)
    assert (done.exit_code, "1 part, 3 rows, digest" in done.stdout) == (0, True)
    (tmp_path / "outcomes.csv").write_text("id,outcome,date\nA-1,paid,2099-01-01\nA-2,default,2099-01-01\n")
    names = ("--input", tmp_path / "outcomes.csv", "--output", tmp_path / "joined.csv", "--records", root)
    done = run("records", "outcomes", *names)
    assert json.loads(done.stdout)["joined"] == 2
    assert "A-1" in (tmp_path / "joined.csv").read_text()
    done = run("records", "expire", "--days", 1, "--records", root)
    assert (done.exit_code, done.stdout) == (0, f"Deleted 0 days of the record {root}.\n")
    next(root.rglob("*.parquet")).unlink()
    done = run("records", "verify", "--records", root)
    assert done.exit_code == 1
    assert "is missing" in done.stdout
    assert f"The record {root} has" in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.output


WITHOUT_PYARROW = """
import sys
sys.modules["pyarrow"] = None
from typer.testing import CliRunner
from loan_cli.app import app
for command in ("records verify", "records expire --days 9", "records outcomes --input x --output y", "replay A-1"):
    done = CliRunner().invoke(app, [*command.split(), "--records", sys.argv[1]])
    print(done.exit_code, " ".join(done.stderr.split()))
"""


def test_every_command_says_that_pyarrow_is_missing(tmp_path):
    done = subprocess.run([sys.executable, "-c", WITHOUT_PYARROW, tmp_path], capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert len(said) == 4
    for line in said:
        assert line.startswith("1 ")
        assert "The record of decisions needs PyArrow: install loan-model[records]." in line
