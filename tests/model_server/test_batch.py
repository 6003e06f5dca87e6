"""`loan predict`: files in, files out, the same scores as through any other door."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from loan_cli.app import app
from loan_model.schema import SCHEMA


@pytest.fixture
def predict(trained_registry):
    def run(source, target, *more):
        command = ["predict", "--registry", str(trained_registry), "--input", str(source), "--output", str(target)]
        return CliRunner().invoke(app, [*command, *more])

    return run


def write(frame, path):
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)
    return path


@pytest.mark.parametrize("source", ["in.csv", "in.parquet"])
@pytest.mark.parametrize("target", ["out.csv", "out.parquet"])
def test_scores_are_the_models_own(predict, model, matrix, tmp_path, source, target):
    frame = pd.DataFrame(matrix, columns=SCHEMA.names).assign(Customer=[f"c{i}" for i in range(20)])
    done = predict(write(frame, tmp_path / source), tmp_path / target, "--version", "v1")
    assert done.exit_code == 0, done.output
    scored = pd.read_csv(tmp_path / target) if target.endswith("csv") else pd.read_parquet(tmp_path / target)
    probability, decision = model.score(matrix)
    assert scored["Customer"].tolist() == frame["Customer"].tolist()
    assert np.allclose(scored["probability"], probability, atol=1e-12)
    assert scored["decision"].tolist() == decision.tolist()
    assert set(scored["model_version"]) == {"v1"}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"Age": "old"}, "old"),
        ({"Had_Past_Default": None}, "'Had_Past_Default'"),
        ({"Loan_Amount": np.inf}, "'Loan_Amount'"),
    ],
)
def test_a_file_that_cannot_be_scored_leaves_no_output(predict, matrix, tmp_path, change, word):
    frame = pd.DataFrame(matrix, columns=SCHEMA.names).astype(object)
    for name, value in change.items():
        frame.loc[3, name] = value
    done = predict(write(frame, tmp_path / "in.csv"), tmp_path / "out.csv")
    assert done.exit_code == 1
    assert word in done.output
    assert list(tmp_path.iterdir()) == [tmp_path / "in.csv"]


def test_a_missing_column_and_a_missing_file(predict, matrix, tmp_path):
    frame = pd.DataFrame(matrix, columns=SCHEMA.names).drop(columns="Age")
    assert "Age" in predict(write(frame, tmp_path / "in.csv"), tmp_path / "out.csv").output
    assert "absent.csv" in predict(tmp_path / "absent.csv", tmp_path / "out.csv").output
