"""The command line as a user meets it."""

import json
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from loan_cli.app import app


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
    rows = json.loads(loan("versions", "list", "--registry", root, "-o", "json").output)
    assert [(row["version"], row["gate"] == "damaged", row["algorithm"]) for row in rows] == [
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
