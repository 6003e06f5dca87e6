"""What the check of known vulnerabilities says of what pip-audit found."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GOOD = {"name": "msgspec", "version": "1", "vulns": []}
BAD = {"name": "requests", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}
UNKNOWN = {"name": "numpy", "skip_reason": "Dependency not found on PyPI and could not be audited"}


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Runs the check where pip-audit finds this."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def run(*packages, output=None):
        (tmp_path / "pip_audit.py").write_text(f"print({output or json.dumps({'dependencies': packages})!r})")
        command = [sys.executable, "k8s/vulnerabilities.py", "requirements/server.txt"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    return run


def test_nothing_known_is_well(check):
    done = check(GOOD, GOOD)
    assert (done.returncode, "2 packages, no known vulnerability" in done.stdout) == (0, True)


def test_what_is_known_fails_with_the_version_that_mends_it(check):
    done = check(GOOD, BAD)
    assert (done.returncode, "requests 2: PYSEC-1, mended in 2.1" in done.stderr) == (1, True)


def test_a_database_out_of_reach_is_said_and_is_not_taken_for_a_clean_bill(check):
    done = check(UNKNOWN, UNKNOWN)
    assert (done.returncode, "skipped: requirements/server.txt" in done.stderr, done.stdout) == (0, True, "")


def test_a_package_that_was_not_looked_up_fails(check):
    done = check(GOOD, UNKNOWN)
    assert (done.returncode, "numpy" in done.stderr) == (1, True)


def test_an_answer_that_is_none_fails(check):
    assert check(output="oops").returncode == 1
