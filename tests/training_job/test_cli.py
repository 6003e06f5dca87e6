import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from loan_cli.app import app
from loan_model.synthetic import generate
from tabular_model.registry import Registry

run = CliRunner()


@pytest.mark.parametrize(("name", "read"), [("d.csv", pd.read_csv), ("d.parquet", pd.read_parquet)])
def test_data_writes_what_the_seed_says(tmp_path: Path, name: str, read: object) -> None:
    made = run.invoke(app, ["data", "--output", str(tmp_path / "new" / name), "--rows", "50", "--seed", "3"])
    assert made.exit_code == 0
    pd.testing.assert_frame_equal(read(tmp_path / "new" / name), generate(50, 3))  # type: ignore[operator]


def test_data_can_shuffle_the_target(tmp_path: Path) -> None:
    run.invoke(app, ["data", "-o", str(tmp_path / "d.csv"), "--rows", "200", "--shuffle-target"])
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "d.csv"), generate(200, 0, shuffle_target=True))


def test_data_of_an_unknown_format_is_refused(tmp_path: Path) -> None:
    refused = run.invoke(app, ["data", "--output", str(tmp_path / "d.xlsx")])
    assert refused.exit_code == 1
    assert "must be a file that ends in .csv or .parquet" in refused.stderr


def test_train_ends_with_one_line_of_json(tmp_path: Path) -> None:
    generate(1000, shuffle_target=True).to_csv(tmp_path / "d.csv")
    options = {"LOAN_DATA": str(tmp_path / "d.csv"), "LOAN_REGISTRY": str(tmp_path / "r"), "LOAN_ALGORITHM": "logistic"}
    trained = run.invoke(app, ["train", "--json"], env=options)
    assert trained.exit_code == 0
    result = json.loads(trained.stdout.splitlines()[-1])
    assert (result["version"], result["passed"]) == ("v1", False)
    assert "no better than chance" in result["reasons"][0]
    assert "Dropped the unnamed column" in trained.stderr


def test_train_says_the_verdict_in_words(tmp_path: Path, data_file: Path) -> None:
    options = ["--registry", str(tmp_path), "--algorithm", "logistic", "--run", "one"]
    for _ in range(2):
        trained = run.invoke(app, ["train", "--data", str(data_file), *options])
        assert trained.stdout == "Published v1: the gate passed.\n"
    assert "Run one has already published v1." in trained.stderr


def test_train_without_data_says_how_to_get_some() -> None:
    refused = run.invoke(app, ["train"], env={"LOAN_DATA": None})
    assert refused.exit_code == 1
    assert "`loan data --output FILE` writes such a file" in refused.stderr


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            generate(300).astype(object).replace({"Had_Past_Default": {1: "yes"}}),
            "column Had_Past_Default: 'yes' is not",
        ),
        (generate(300).drop(columns="Age"), "has no column Age"),
        (generate(300).assign(Loan_Approval=0), "has only one class"),
        (generate(300).iloc[:0], "has column names but no rows"),
    ],
    ids=["a cell", "a column", "one class", "no rows"],
)
def test_train_refuses_a_broken_file(tmp_path: Path, content: pd.DataFrame, sentence: str) -> None:
    content.to_csv(tmp_path / "d.csv", index=False)
    refused = run.invoke(app, ["train", "--data", str(tmp_path / "d.csv"), "--registry", str(tmp_path / "r")])
    assert refused.exit_code == 1
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert sentence in line
    assert Registry.open(tmp_path / "r").versions() == []


def test_a_column_that_is_not_protected_is_refused(tmp_path: Path, data_file: Path) -> None:
    refused = run.invoke(
        app, ["train", "--data", str(data_file), "--registry", str(tmp_path), "--use-protected", "Credit_Score"]
    )
    assert refused.exit_code == 1
    assert "Credit_Score is not a protected column" in refused.stderr
