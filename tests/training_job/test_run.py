import html
import io
import shutil
from importlib.metadata import version as installed
from pathlib import Path

import joblib
import msgspec
import numpy as np
import pytest

from loan_model.synthetic import LOAN, best_auc, generate
from tabular_model.errors import CompileError, DataError
from tabular_model.estimators import FAMILIES, Compiled
from tabular_model.manifest import Manifest
from tabular_model.points import Card
from tabular_model.reference import Reference
from tabular_model.registry import Registry
from tabular_model.results import Results
from tabular_model.scoring.scorer import Scorer
from tabular_model.verdict import Verdict
from training_job.progress import Progress
from training_job.run import Training, run_training


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry.open(tmp_path / "registry", create=True)


def train(registry: Registry, data: Path, **options: object) -> Manifest:
    training = msgspec.convert({"data": str(data), "algorithm": "logistic"} | options, Training)
    return run_training(training, registry, Progress())


def test_a_version_names_the_column_of_ids_and_the_laws(registry: Registry, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    generate(600, 0).assign(Application_ID=[f"A-{number}" for number in range(600)]).to_csv(data, index=False)
    declared = msgspec.structs.replace(LOAN, id="Application_ID", law=("eu",))
    manifest = train(registry, data, declaration=declared)
    assert (manifest.id, manifest.law) == ("Application_ID", ("eu",))
    assert "Application_ID" not in registry.read("v1", "report.html").decode()  # as a column that was dropped


def results(registry: Registry, version: str) -> Results:
    return Results.decode(registry.read(version, "metrics.json"))


def test_a_version_has_the_designs_files_and_says_how_it_was_made(registry: Registry, data_file: Path) -> None:
    manifest = train(registry, data_file, algorithm="auto", seed=7, run="first")
    artifact = registry.load("v1")
    described = {"model.joblib", "metrics.json", "reference.json", "report.html"}
    explained = {"logistic": "explain_additive.npz", "gradient_boosting": "explain_trees.npz"}[manifest.algorithm]
    assert set(artifact.files) - {"tables.npz"} == {"model.onnx", explained, *described}
    assert ("tables.npz" in artifact.files) == (manifest.algorithm == "gradient_boosting")
    assert (manifest.version, manifest.run, manifest.seed, manifest.parent) == ("v1", "first", 7, None)
    assert manifest.features == tuple(name for name in LOAN.schema.names if name != "Age")
    assert manifest.data.rows == 2000
    libraries = {"loan-model", "numpy", "pandas", "scikit-learn", "onnx", "onnxruntime"}
    assert manifest.libraries.items() >= {name: installed(name) for name in libraries}.items()
    assert set(manifest.libraries) == {"python", *libraries}
    found = results(registry, "v1")
    assert found.verdict == Verdict(passed=True)
    assert set(found.cross_validation) == {"logistic", "gradient_boosting"}
    best = min(found.cross_validation, key=lambda name: found.cross_validation[name].mean_log_loss)
    assert manifest.algorithm == best
    assert manifest.threshold == found.threshold.value
    assert sum(msgspec.structs.astuple(found.decisions)) == found.holdout.rows == 500
    assert Reference.decode(artifact.files["reference.json"]).rows == 1500


def test_what_serves_is_what_data_scientists_get(trained_registry: Path) -> None:
    files = Registry.open(trained_registry).load("v1").files
    rows = generate(200, seed=3)[list(LOAN.schema.names)].astype(np.float64)
    pipeline = joblib.load(io.BytesIO(files["model.joblib"]))
    served = Scorer(files, "v1").probabilities(rows.to_numpy())
    np.testing.assert_allclose(served, pipeline.predict_proba(rows)[:, 1], atol=1e-12)


def test_the_same_data_and_seed_give_the_same_model(
    registry: Registry, trained_registry: Path, data_file: Path
) -> None:
    train(registry, data_file, algorithm="gradient_boosting")
    trained = Registry.open(trained_registry)
    for name in ("model.onnx", "tables.npz"):
        assert registry.read("v1", name) == trained.read("v1", name)
    assert results(registry, "v1") == results(trained, "v1")


def test_it_learns_nearly_all_that_there_is_to_learn(registry: Registry, tmp_path: Path) -> None:
    frame = generate(6000, seed=2)
    frame.to_csv(tmp_path / "data.csv", index=False)
    train(registry, tmp_path / "data.csv")
    auc = results(registry, "v1").holdout.auc
    assert auc.high is not None
    assert auc.high > best_auc(frame) - 0.01


@pytest.mark.parametrize("seed", [1, 2])
def test_a_shuffled_target_is_published_as_no_better_than_chance(registry: Registry, tmp_path: Path, seed: int) -> None:
    generate(1000, seed, shuffle_target=True).to_csv(tmp_path / "data.csv", index=False)
    version = train(registry, tmp_path / "data.csv", algorithm="auto").version
    verdict = Verdict.from_metrics(registry.read(version, "metrics.json"))
    assert not verdict.passed
    assert "no better than chance" in " ".join(verdict.reasons)


def test_it_is_compared_with_the_champion_and_descends_from_it(
    trained_registry: Path, tmp_path: Path, data_file: Path
) -> None:
    registry = Registry.open(shutil.copytree(trained_registry, tmp_path / "copy"))
    assert registry.manifest("v2").parent == "v1"
    assert results(registry, "v2").champion is None
    registry.promote("v2", by="a test", reason="to compare with", force=True)
    assert train(registry, data_file).parent == "v2"
    champion = results(registry, "v3").champion
    assert champion is not None
    assert (champion.version, champion.difference.value) == ("v2", 0)


def test_a_protected_column_and_a_threshold_are_used_when_given(registry: Registry, data_file: Path) -> None:
    manifest = train(registry, data_file, use_protected=("Age",), threshold=0.7)
    assert manifest.features == LOAN.schema.names
    assert manifest.threshold == 0.7
    assert results(registry, "v1").threshold.rule == "was given"


def test_what_was_dropped_is_said(registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate(300).to_csv(tmp_path / "data.csv")
    train(registry, tmp_path / "data.csv")
    said = "Dropped the unnamed column: it contains only row numbers."
    assert said in capsys.readouterr().err
    assert results(registry, "v1").notes == (said,)


def test_a_broken_file_publishes_nothing(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("Age\n1\n")
    with pytest.raises(DataError):
        train(registry, tmp_path / "data.csv")
    assert registry.versions() == []


def test_a_compiled_model_that_is_unlike_publishes_nothing(
    registry: Registry, data_file: Path, trained_registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Registry.open(trained_registry).read("v1", "model.onnx")
    found = Compiled({"model.onnx": other}, frozenset())
    monkeypatch.setattr(FAMILIES["logistic"], "compile", lambda *_: found)
    monkeypatch.setattr(FAMILIES["gradient_boosting"], "compile", lambda *_: found)
    with pytest.raises(CompileError, match="differ on"):
        train(registry, data_file)
    assert registry.versions() == []


def test_a_scorecard_and_a_search_stand_in_the_report(registry: Registry, data_file: Path) -> None:
    manifest = train(registry, data_file, algorithm="scorecard", search=3, parameters={"pdo": 40})
    files = registry.load("v1").files
    card = Card.decode(files["scorecard.json"])
    assert (manifest.algorithm, manifest.parameters["pdo"], card.pdo) == ("scorecard", 40, 40)
    found = results(registry, "v1").search
    assert found is not None
    page = files["report.html"].decode()
    assert html.escape(found.said()) in page
    for variable in card.variables:
        assert f"{variable.column} (information value {variable.information_value:.2f})" in page
        for each in variable.bins:
            assert f"<td>{each.bin}</td>" in page
            assert f"{each.points:+.1f}" in page
