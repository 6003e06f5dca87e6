"""What is installed where, and what may be imported by whom."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))
ONLY_WITH_JAVA = {"pyspark", "py4j"}
NOT_OF_THE_SERVER = ("sklearn", "joblib", "matplotlib", "onnx", "pyarrow", "jinja2", "scipy", "pandas", "kserve")

SERVE_WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import numpy as np
import model_server.decision_log
import model_server.monitor_gauges
import model_server.server
from tabular_model.model import TabularModel
from tabular_model.registry import Registry
model = TabularModel.from_registry(Registry.open(sys.argv[1]), "v1")
print(len(model.reason_codes(np.array([[41, 82000, 715, 15000, 5, 3, 0.0]]))))
"""


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_are_pinned_hashed_and_name_no_host(path):
    text = path.read_text()
    assert "://" not in text
    assert "index" not in re.sub(r"(?m)^ *#.*$", "", text)
    pinned = re.findall(r"(?m)^[a-z0-9][^\n]*", text)
    assert pinned
    assert all("==" in line and line.endswith("\\") for line in pinned)


def test_the_server_installs_nothing_that_unpickles_models():
    names = set(re.findall(r"(?m)^([a-z0-9-]+)", (ROOT / "requirements/server.txt").read_text()))
    unpickle = {"scikit-learn", "joblib", "cloudpickle", "dill", "skops", "mlflow", "torch", "xgboost", "lightgbm"}
    assert not names & (unpickle | {"skl2onnx", "matplotlib", "pyarrow", "pandas", "kserve"})
    assert {"onnxruntime", "msgspec"} <= names


def test_the_same_versions_everywhere():
    def pins(path):
        return set(re.findall(r"(?m)^([a-z0-9-]+)[^=\n]*==(\S+)", path.read_text()))

    everything = pins(ROOT / "requirements/dev.txt")
    for path in REQUIREMENTS:
        others = {name for name, _ in pins(path) - everything}
        if path.name == "mlflow.txt":  # a server that tests start, in an environment of its own
            assert not others & {name for name, _ in everything}
        else:
            assert others <= ONLY_WITH_JAVA, path.name


def test_the_server_runs_where_neither_training_nor_kserve_is_installed(trained_registry):
    script = SERVE_WITHOUT.format(absent=set(NOT_OF_THE_SERVER))
    command = [sys.executable, "-c", script, str(trained_registry)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr
