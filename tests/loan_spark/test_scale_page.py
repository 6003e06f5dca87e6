"""The commands and the code of README and docs/scale.md are run, and give what is shown there."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from loan_model.synthetic import generate

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/scale.md").read_text()


@pytest.fixture
def home(trained_registry, tmp_path, monkeypatch):
    """A folder as `make serve` leaves it."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files/model_version").symlink_to(trained_registry)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/loan").symlink_to(Path(sys.executable).with_name("loan"))
    generate(10_000).to_csv(tmp_path / "files/dataset.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_code_scores_a_table(spark, home):
    (code,) = re.findall(r"(?ms)^```python\n(.*?)^```", PAGE)
    assert code in (ROOT / "README.md").read_text()
    generate(1000).to_parquet(home / "applications")
    for name in ("applications", "scored"):  # the JVM keeps the folder that it was started in
        code = code.replace(f'"{name}"', f'"{home / name}"')
    exec(code, {"spark": spark})
    assert pd.read_parquet(home / "scored")["probability"].between(0, 1).sum() == 1000


@pytest.mark.parametrize(("command", "shown"), re.findall(r"(?m)^\$ (.*)\n(.*)\n```", PAGE))
def test_the_commands_give_what_is_shown(spark, home, command, shown):
    done = subprocess.run(command, shell=True, cwd=home, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == shown
