"""The examples, by the commands of their README, and what they serve beside plain scikit-learn and LightGBM."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import httpx
import numpy as np
import pandas as pd
import pytest

from tabular_model.declaration import Declaration
from tabular_model.registry import Registry
from tabular_model.results import Results
from tests.model_server.serving import serving

ROOT = Path(__file__).parents[1]
COMMANDS = re.findall(r"(?m)^\$ (.+)", (ROOT / "examples/README.md").read_text())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every command was run."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    (folder / "files").mkdir()
    for command in COMMANDS:
        done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    return folder


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("example", path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.parametrize("name", ["first-model", "credit-card"])
def test_it_passes_the_gate_and_is_the_pipeline_that_was_written(home: Path, name: str) -> None:
    registry = Registry.open(home / "files" / name)
    manifest = registry.manifest("v1")
    assert manifest.algorithm == "pipeline"
    assert (manifest.compiled.arithmetic, manifest.compiled.decided_otherwise) == ("float32", 0)
    assert Results.decode(registry.read("v1", "metrics.json")).verdict.passed
    code = (home / "examples" / name.replace("-", "_") / "model.py").read_bytes()
    assert registry.read("v1", "pipeline.py") == code


def test_the_client_gets_what_scikit_learn_computes(home: Path) -> None:
    """On all rows, by the model that was trained on the training rows: near the one trained on all of them."""
    declaration = Declaration.read(home / "examples/first_model/first-model.yaml")
    frame = pd.read_csv(home / "files/loans.csv")
    features = list(declaration.schema.features())
    model = module(home / "examples/first_model/model.py").pipeline()
    model.fit(frame[features], frame[declaration.target.name])
    rows = frame[:50]
    with serving(home / "files/first-model") as server, httpx.Client(base_url=server.url, timeout=30) as http:
        tensors = [
            {
                "name": column.name,
                "datatype": "FP64",
                "shape": [50],
                "data": [None if pd.isna(value) else value for value in rows[column.name].astype(float)],
            }
            for column in declaration.columns
        ]
        answer = http.post("/v2/models/first-model/infer", json={"inputs": tensors})
    assert answer.status_code == 200, answer.text
    served = answer.json()["outputs"][0]["data"]
    np.testing.assert_allclose(served, model.predict_proba(rows[features])[:, 1], atol=0.05)


def test_words_are_scored_and_explained(home: Path) -> None:
    scored = pd.read_csv(home / "files/scored-cards.csv")
    good = scored["probability"][scored["outcome"] == "good"].mean()
    assert good > scored["probability"][scored["outcome"] == "bad"].mean() + 0.2
    assert scored["application_id"][0] == "A000000"
    assert scored["reason_codes"].str.contains("OCCUPATION").any()
