"""`loan predict`: files in, files out, the same scores as through any other endpoint."""

import csv
import io
import json

import numpy as np
import obstore
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from loan_cli.app import app
from loan_model.synthetic import LOAN
from tabular_model.storage import open_bucket
from tests.tabular_model.data.files import csv as written
from tests.tabular_model.data.files import decimal_comma_of

NAMES = list(LOAN.schema.names)
IDS = ["00017", "12345678901234567890", "+4917612345", "01067", "1.50", "1e5", "NA", "", " a", 'x"y']


@pytest.fixture(scope="session")
def predict(trained_registry):
    def run(source, target, *more, given=None):
        command = ["predict", "--registry", str(trained_registry), "--input", str(source), "--output", str(target)]
        return CliRunner().invoke(app, [*command, *more], input=given)

    return run


@pytest.fixture
def frame(matrix):
    """Twenty applications with ids."""
    rows = pd.DataFrame(matrix, columns=NAMES).round(2)
    return rows.assign(Customer=IDS * 2, Note="NA")


def write(frame, path):
    path.parent.mkdir(exist_ok=True)
    suffix = path.suffix
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".feather":
        frame.to_feather(path)
    elif suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False)
    return path


def read(path):
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".feather":
        return pd.read_feather(path)
    if path.suffix == ".jsonl":
        return pd.DataFrame([json.loads(line) for line in path.open()])
    return pd.read_csv(path, dtype={"Customer": str, "Note": str}, keep_default_na=False)


@pytest.mark.parametrize("source", ["in.csv", "in.csv.gz", "in.parquet", "in.feather", "in.jsonl"])
@pytest.mark.parametrize("target", ["out.csv", "out.csv.gz", "out.parquet", "out.feather", "out.jsonl"])
def test_scores_are_the_models_own(predict, model, frame, tmp_path, source, target):
    done = predict(write(frame, tmp_path / source), tmp_path / target, "--version", "v1")
    assert done.exit_code == 0, done.output
    assert "Scored 20 applications" in done.output
    scored = read(tmp_path / target)
    probability, decision = model.score(frame[NAMES].to_numpy())
    assert list(scored) == [*frame, "probability", "decision", "model_version"]
    assert scored["Customer"].tolist() == frame["Customer"].tolist()
    assert scored["Note"].tolist() == ["NA"] * 20
    assert np.allclose(scored["probability"].astype(float), probability, atol=1e-12)
    assert scored["decision"].astype(int).tolist() == decision.tolist()
    assert set(scored["model_version"]) == {"v1"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(ids=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_any_id_comes_out_as_it_went_in(predict, tmp_path, ids):
    row = ["35", "56,989.50", "700", "10000", "7", "3", "false"]
    text = io.StringIO()
    csv.writer(text).writerows([["Id", *NAMES], *[[each, *row] for each in ids]])
    (tmp_path / "in.csv").write_bytes(text.getvalue().encode())
    done = predict(tmp_path / "in.csv", tmp_path / "out.csv", "--overwrite")
    assert done.exit_code == 0, done.output
    out = (tmp_path / "out.csv").read_bytes().decode()
    rows = list(csv.reader(io.StringIO(out, newline="")))
    assert [cells[: 1 + len(NAMES)] for cells in rows] == [["Id", *NAMES], *[[each, *row] for each in ids]]


def test_reasons_are_added_on_request(predict, model, frame, tmp_path):
    for target in ("out.csv", "out.parquet"):
        done = predict(write(frame, tmp_path / "in.csv"), tmp_path / target, "--version", "v1", "--explain")
        assert done.exit_code == 0, done.output
    expected = [[code for code in codes if code] for codes in model.reason_codes(frame[NAMES].to_numpy())]
    assert [list(codes) for codes in read(tmp_path / "out.parquet")["reason_codes"]] == expected
    assert read(tmp_path / "out.csv")["reason_codes"].tolist() == ["|".join(codes) for codes in expected]
    assert list(read(tmp_path / "out.csv"))[-2:] == ["model_version", "reason_codes"]


def test_standard_input_and_output(predict, frame):
    done = predict("-", "-", given=written(frame, sep=";").encode())
    assert done.exit_code == 0, done.output
    rows = list(csv.reader(io.StringIO(done.stdout)))
    assert len(rows) == 21
    assert [cells[NAMES.index("Had_Past_Default") + 1] for cells in rows[1:]] == IDS * 2
    assert "Scored 20 applications into standard output." in done.stderr


def test_a_file_in_a_bucket_is_scored(predict, frame, tmp_path, bucket):
    obstore.put(open_bucket(bucket), "in.csv", written(frame).encode())
    assert predict(f"{bucket}/in.csv", tmp_path / "out.csv").exit_code == 0
    assert len(read(tmp_path / "out.csv")) == 20


@pytest.mark.parametrize("target", ["out.csv", "out.parquet"])
def test_a_file_without_rows_gives_the_columns(predict, frame, tmp_path, target):
    done = predict(write(frame[:0], tmp_path / "in.csv"), tmp_path / target)
    assert done.exit_code == 0, done.output
    assert list(read(tmp_path / target)) == [*frame, "probability", "decision", "model_version"]


def test_an_id_that_turns_to_text_after_four_megabytes(predict, tmp_path):
    row = ",35,50000,700,10000,7,3,0"
    lines = [f"{number}{row}" for number in range(160_000)] + [f"A150000{row}"]
    (tmp_path / "in.csv").write_text(",".join(["Id", *NAMES]) + "\n" + "\n".join(lines))
    assert predict(tmp_path / "in.csv", tmp_path / "out.csv").exit_code == 0
    assert (tmp_path / "out.csv").read_text().splitlines()[-1].startswith(f"A150000{row},")


def test_a_column_without_any_value_is_scored_alike_in_all_formats(predict, frame, tmp_path):
    empty = frame.assign(Age=None)
    for source in ("in.csv", "in.parquet", "in.jsonl"):
        done = predict(write(empty, tmp_path / source), tmp_path / f"{source}.out.jsonl")
        assert done.exit_code == 0, done.output
    scores = [read(path)["probability"].tolist() for path in tmp_path.glob("*.out.jsonl")]
    assert scores[0] == scores[1] == scores[2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Age": "old"}, "row 4 (line 5 of a text file), column Age: 'old' is not a number."),
        ({"Had_Past_Default": None}, "row 4 (line 5 of a text file), column Had_Past_Default: is missing."),
        ({"Loan_Amount": np.inf}, "row 4 (line 5 of a text file), column Loan_Amount: inf is not finite."),
        ({"Loan_Duration_Years": 1.5}, "column Loan_Duration_Years: 1.5 is not a whole number."),
    ],
)
def test_a_file_that_cannot_be_scored_leaves_no_output(predict, frame, tmp_path, change, words):
    frame = frame.astype(object)
    for name, value in change.items():
        frame.loc[3, name] = value
    done = predict(write(frame, tmp_path / "in.csv"), tmp_path / "out.csv")
    assert done.exit_code == 1
    assert words in " ".join(done.output.split())
    assert list(tmp_path.iterdir()) == [tmp_path / "in.csv"]


def test_a_missing_column_and_a_missing_file(predict, frame, tmp_path):
    done = predict(write(frame.rename(columns={"Age": "age"}), tmp_path / "in.csv"), tmp_path / "out.csv")
    assert "has no column Age; it has 'age', but the model's is 'Age'." in " ".join(done.output.split())
    assert "absent.csv" in predict(tmp_path / "absent.csv", tmp_path / "out.csv").output


def test_a_file_that_was_scored_before_is_refused(predict, frame, tmp_path):
    predict(write(frame, tmp_path / "in.csv"), tmp_path / "out.csv")
    done = predict(tmp_path / "out.csv", tmp_path / "again.csv")
    assert "already has a column probability, decision, model_version" in " ".join(done.output.split())


def test_what_is_there_is_kept_unless_asked(predict, frame, tmp_path):
    source = write(frame, tmp_path / "in.csv")
    (tmp_path / "out.csv").write_text("mine")
    assert "already exists; choose another name, or use --overwrite" in " ".join(
        predict(source, tmp_path / "out.csv").output.split()
    )
    assert (tmp_path / "out.csv").read_text() == "mine"
    assert predict(source, tmp_path / "out.csv", "--overwrite").exit_code == 0
    before = source.read_bytes()
    assert "is the input" in " ".join(predict(source, source, "--overwrite").output.split())
    assert source.read_bytes() == before


def test_decimal_commas_are_scored_as_points(predict, frame, tmp_path):
    predict(write(frame, tmp_path / "in.csv"), tmp_path / "point.csv")
    (tmp_path / "comma.csv").write_text(written(decimal_comma_of(frame, ("Annual_Income", "Loan_Amount")), sep=";"))
    assert predict(tmp_path / "comma.csv", tmp_path / "out.csv").exit_code == 0
    assert read(tmp_path / "out.csv")["probability"].tolist() == read(tmp_path / "point.csv")["probability"].tolist()
