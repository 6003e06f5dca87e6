"""Two versions side by side, on the rows that the newer one was judged on."""

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from loan_cli.app import app
from loan_model.synthetic import generate
from tabular_model.registry import Registry
from tabular_model.results import Results
from training_job.compare import compare
from training_job.progress import Progress
from training_job.run import Training, run_training


def test_both_versions_are_judged_on_the_newers_holdout(trained_registry: Path) -> None:
    registry = Registry.open(trained_registry)
    found = compare(registry, "v1", "v2")
    assert found.same_rows is not None
    recorded = Results.decode(registry.read("v2", "metrics.json")).holdout
    auc = found.same_rows.metrics["auc"]
    assert found.same_rows.rows == recorded.rows
    assert auc.new.value == pytest.approx(recorded.auc.value, abs=1e-9)
    assert found.same_rows.metrics["brier"].new.value == pytest.approx(recorded.brier.value, abs=1e-9)
    assert auc.difference.value == pytest.approx(auc.new.value - auc.old.value)
    assert found.settings["algorithm"] == ("gradient_boosting", "logistic")
    assert found.columns == ()


def test_a_version_changes_no_decision_of_its_own(trained_registry: Path) -> None:
    found = compare(Registry.open(trained_registry), "v1", "v1").same_rows
    assert found is not None
    assert (found.newly_approved, found.newly_rejected) == (0, 0)
    assert found.metrics["auc"].difference.high == 0


def test_data_that_are_gone_or_others_are_said_and_the_rest_is_compared(trained_registry: Path, tmp_path: Path) -> None:
    registry = Registry.open(trained_registry)
    gone = compare(registry, "v1", "v2", str(tmp_path / "absent.csv"))
    assert gone.same_rows is None
    assert "give their location with --data" in gone.why
    generate(300, seed=5).to_csv(tmp_path / "other.csv", index=False)
    other = compare(registry, "v1", "v2", str(tmp_path / "other.csv"))
    assert "its sha256 differs" in other.why
    assert set(other.recorded) == {"v1", "v2"}


def test_the_command_prints_lines_or_json(trained_registry: Path, tmp_path: Path) -> None:
    words = ["versions", "diff", "v1", "v2", "--registry", str(trained_registry)]
    said = CliRunner().invoke(app, words)
    assert said.exit_code == 0, said.output
    for word in ("algorithm: gradient_boosting → logistic", "auc: 0.", "newly approved", "differs by"):
        assert word in said.stdout
    as_json = msgspec.json.decode(CliRunner().invoke(app, [*words, "--output", "json"]).stdout)
    assert as_json["same_rows"]["metrics"]["auc"]["difference"]["low"] is not None
    without = CliRunner().invoke(app, [*words, "--data", str(tmp_path / "absent.csv")])
    assert "Not compared on the same rows." in without.stdout
    refused = CliRunner().invoke(app, ["versions", "diff", "v1", "v9", "--registry", str(trained_registry)])
    assert refused.exit_code == 1
    assert "no version v9" in refused.output


def test_versions_of_other_columns_are_compared_by_name(tmp_path: Path, data_file: Path) -> None:
    registry = Registry.open(tmp_path / "registry", create=True)
    training = Training(data=str(data_file), algorithm="logistic")
    run_training(training, registry, Progress())
    fewer = msgspec.structs.replace(training.declaration, columns=training.declaration.columns[:-1])
    run_training(Training(data=str(data_file), algorithm="logistic", declaration=fewer), registry, Progress())
    found = compare(registry, "v2", "v1")
    assert found.same_rows is not None
    assert [each.column for each in found.columns] == ["Had_Past_Default"]
    reverse = compare(registry, "v1", "v2")
    assert reverse.same_rows is None
    assert "v1 has columns that the data of v2 do not have" in reverse.why
