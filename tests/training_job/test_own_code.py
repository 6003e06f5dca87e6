"""A declaration's own pipeline, from its file to a version; what is wrong with the code is one sentence."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tabular_model.declaration import Declaration, DeclarationError
from tabular_model.errors import ModelError
from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tests import second_model
from training_job.own_code import own_pipeline
from training_job.progress import Progress
from training_job.run import Training, run_training

GOOD = second_model.PIPELINE


def declared(folder: Path, code: str | None, **changes: object) -> Declaration:
    if code is not None:
        (folder / "model.py").write_text(code)
    return msgspec.structs.replace(second_model.DECLARATION, **changes)


def test_a_model_beside_the_declaration_is_trained(tmp_path: Path) -> None:
    declaration = declared(tmp_path, GOOD)
    _, data = second_model.write(tmp_path, 1000)
    registry = Registry.open(tmp_path / "registry", create=True)
    training = Training(data=str(data), declaration=declaration, folder=tmp_path, parameters={"n_estimators": "30"})
    manifest = run_training(training, registry, Progress())
    assert (manifest.algorithm, manifest.parameters) == ("pipeline", {"n_estimators": 30})
    assert manifest.compiled.arithmetic == "float32"
    assert manifest.compiled.tolerance == 1e-5
    assert registry.read("v1", "pipeline.py").decode() == GOOD
    model = TabularModel.from_registry(registry, "v1")
    found = model.reasons(second_row(model))
    assert found.standard_error > 0
    assert found.codes[0][0]


def second_row(model: TabularModel) -> np.ndarray:
    return np.array([[np.nan if c.missing else c.minimum for c in model.columns]])


@pytest.mark.parametrize(
    ("code", "pipeline"),
    [
        ("def build():\n    return 1\n\ndef _helper():\n    pass\n", ""),
        ("def build():\n    return 1\n\ndef other():\n    return 2\n", "model:build"),
        ("import sklearn.linear_model as m\npipeline = m.LogisticRegression()\n", ""),
        (None, "sklearn.linear_model:LogisticRegression"),
    ],
    ids=["the only function", "named", "no function but a pipeline", "of a package"],
)
def test_the_function_is_found(tmp_path: Path, code: str | None, pipeline: str) -> None:
    assert own_pipeline(declared(tmp_path, code, pipeline=pipeline), tmp_path)


def test_without_either_there_is_none(tmp_path: Path) -> None:
    assert own_pipeline(declared(tmp_path, None), tmp_path) is None
    assert own_pipeline(declared(tmp_path, GOOD, algorithm="logistic"), tmp_path) is None
    assert own_pipeline(declared(tmp_path, GOOD), None) is None


def test_two_models_of_one_name_are_each_their_own(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.py").write_text(f"def build():\n    return {name!r}\n")
    found = [own_pipeline(declared(tmp_path, None, pipeline="model:build"), tmp_path / name) for name in "ab"]
    assert [each.function() for each in found if each] == ["a", "b"]


@pytest.mark.parametrize(
    ("code", "pipeline", "said"),
    [
        ("def build(:\n", "", r"model.py cannot be imported \(model.py, line 1\): SyntaxError"),
        ("import nothing_such\n", "", r"\(model.py, line 1\): ModuleNotFoundError: No module named 'nothing_such'"),
        ("\n\n1 / 0\n", "model:build", r"\(model.py, line 3\): ZeroDivisionError"),
        ("x = 1\n", "", "defines no function pipeline"),
        ("def a(): pass\ndef b(): pass\n", "", "defines no function pipeline"),
        ("x = 1\n", "model:build", "the module model has no build"),
        ("build = 1\n", "model:build", "is a int, neither a function nor a pipeline"),
        (None, "nothing_such:build", "nothing_such"),
    ],
)
def test_code_that_cannot_be_used_is_one_sentence(tmp_path: Path, code: str | None, pipeline: str, said: str) -> None:
    with pytest.raises(ModelError, match=said) as refused:
        own_pipeline(declared(tmp_path, code, pipeline=pipeline), tmp_path)
    assert "\n" not in str(refused.value)


def test_an_algorithm_and_a_pipeline_are_not_both_declared(tmp_path: Path) -> None:
    text = second_model.DECLARATION.dump() + "algorithm: logistic\npipeline: model:build\n"
    with pytest.raises(DeclarationError, match="a custom pipeline replaces the algorithm"):
        Declaration.parse(text, "card.yaml")


@pytest.mark.parametrize(
    ("code", "options", "said"),
    [
        ("def build():\n    raise KeyError('x')\n", [], "model.py:build (model.py, line 2) failed when it was called"),
        (GOOD, ["--set", "n_estimator=3"], "did you mean n_estimators?"),
        (GOOD, ["--set", "n_estimators=many"], "n_estimators"),
        (GOOD.replace("make_pipeline(columns, ", "make_pipeline("), [], "failed on these data: ValueError"),
        (
            GOOD.replace("SimpleImputer()", "SimpleImputer(add_indicator=True)"),
            [],
            "'columntransformer > simpleimputer' of the pipeline, a SimpleImputer, cannot be compiled",
        ),
        (GOOD, ["--search", "5"], "There is nothing to search:"),
        (None, ["--algorithm", "pipeline"], "has no custom pipeline"),
    ],
)
def test_a_training_that_cannot_be_ends_in_one_sentence(
    tmp_path: Path, code: str | None, options: list[str], said: str
) -> None:
    model, data = second_model.write(tmp_path, 400)
    declared(tmp_path, code)
    command = [sys.executable, "-m", "loan_cli", "train", "--model", str(model), "--data", str(data), *options]
    done = subprocess.run(
        [*command, "--registry", str(tmp_path / "registry")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not any("v1" in json.dumps(str(path)) for path in (tmp_path / "registry").glob("v1/manifest.json"))
