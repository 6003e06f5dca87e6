"""The command line as a user meets it."""

import json
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from loan_cli.app import app
from tabular_model.registry import Registry
from tests.tabular_model.versions import publish


@pytest.fixture
def loan():
    return lambda *command: CliRunner().invoke(app, [str(word) for word in command])


def test_help_groups_the_commands_and_gives_examples(loan):
    text = loan("--help").output
    for word in ("Basic Commands", "Serving Commands", "Version Commands", "Examples:", "loan train --data"):
        assert word in text


def test_help_is_quick_because_it_imports_little():
    heavy = ("sklearn", "pandas", "kserve", "onnxruntime")
    code = f"import sys, loan_cli.app; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_versions_are_listed_shown_and_promoted(loan, trained_registry, tmp_path):
    root = shutil.copytree(trained_registry, tmp_path / "registry")
    assert [
        row["version"] for row in json.loads(loan("versions", "list", "--registry", root, "-o", "json").output)
    ] == [
        "v1",
        "v2",
    ]
    table = loan("versions", "list", "--registry", root).output
    assert table.splitlines()[0].split() == ["VERSION", "CREATED", "ALGORITHM", "ROWS", "GATE", "CHAMPION"]
    promoted = loan("versions", "promote", "v1", "--reason", "first", "--force", "--registry", root)
    assert "v1 is now the champion" in promoted.output
    shown = json.loads(loan("versions", "show", "v1", "--registry", root).output)
    assert shown["manifest"]["version"] == "v1"
    assert shown["promotions"][0]["reason"] == "first"
    assert shown["promotions"][0]["by"]
    assert "auc" in shown["metrics"]["holdout"]


def test_a_damaged_version_does_not_hide_the_others(loan, trained_registry, tmp_path):
    root = shutil.copytree(trained_registry, tmp_path / "registry")
    (root / "v1/metrics.json").write_text("{}")
    listed = loan("versions", "list", "--registry", root, "-o", "json")
    assert "v1 is rejected: v1/metrics.json was changed" in listed.stderr
    rows = json.loads(listed.stdout)
    assert [(row["version"], row["gate"] == "refused", row["algorithm"]) for row in rows] == [
        ("v1", True, None),
        ("v2", False, "logistic"),
    ]


def test_an_error_is_one_sentence_and_exit_code_1(loan, trained_registry, tmp_path):
    for command in (
        ("versions", "show", "v9", "--registry", trained_registry),
        ("versions", "list", "--registry", tmp_path / "absent"),
    ):
        done = loan(*command)
        assert done.exit_code == 1
        assert done.output.startswith("error: ")
        assert done.output.count("\n") == 1


def test_no_versions_yet_says_what_to_do(loan, tmp_path):
    assert "loan train" in loan("versions", "list", "--registry", tmp_path).output


def test_an_error_of_the_registry_says_which_command_or_option_helps(loan, tmp_path):
    root = tmp_path / "registry"
    score = ("predict", "--input", tmp_path / "data.csv", "--output", tmp_path / "out.csv", "--registry", root)
    assert loan(*score).output == f"error: No registry was found at {root}. `loan train` creates one.\n"
    root.mkdir()
    said = f"error: The registry {root} has no version yet. `loan train` publishes one.\n"
    assert loan(*score).output == said
    publish(Registry.open(root), passed=False)
    promoted = loan("versions", "promote", "v1", "--reason", "hope", "--registry", root)
    said = "error: v1 failed the gate: no better than chance. Use --force to promote it anyway.\n"
    assert promoted.output.endswith(said)
    loan("keys", "make", tmp_path)
    shown = loan("versions", "show", "v1", "--registry", root, "--verify-key", tmp_path / "signing.pub")
    assert shown.output.endswith(
        " are accepted. `loan train --signing-key FILE` signs the versions that it publishes.\n"
    )


def test_signed_from_the_command_line_to_the_promotion(loan, data_file, tmp_path):
    root = tmp_path / "registry"
    made = loan("keys", "make", tmp_path / "keys")
    assert "signing.key (keep it secret)" in made.output
    key, public = tmp_path / "keys/signing.key", tmp_path / "keys/signing.pub"
    train = ("train", "--data", data_file, "--registry", root, "--algorithm", "logistic")
    assert loan(*train).exit_code == 0
    assert loan(*train, "--signing-key", key, "--verify-key", public).exit_code == 0
    assert "LOAN_SIGNING_KEY is not" in loan(*train, "--verify-key", public).output
    refused = loan("versions", "promote", "v1", "--reason", "x", "--registry", root, "--verify-key", public)
    assert (refused.exit_code, "v1 is not signed" in refused.output) == (1, True)
    assert loan("versions", "show", "v1", "--registry", root, "--verify-key", public).exit_code == 1
    promote = ("versions", "promote", "v2", "--reason", "x", "--registry", root, "--verify-key", public)
    assert "v2 is now the champion" in loan(*promote).output
    listed = loan("versions", "list", "--registry", root, "--verify-key", public, "-o", "json")
    assert [row["gate"] for row in json.loads(listed.stdout)] == ["refused", "passed"]
    assert b"PRIVATE" not in b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())
