"""Reasons of trained versions: none of a protected column or a proxy, and none that depends on the order of columns."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from loan_cli.app import app
from loan_model.synthetic import LOAN, generate
from tabular_model.declaration import Declaration
from tabular_model.explain import explainer
from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tabular_model.results import FILE, Results
from tabular_model.scoring.scorer import Scorer
from training_job.in_memory import InMemory
from training_job.progress import Progress
from training_job.run import Training, run_training

ROWS = generate(300, 5)
ORDER = np.random.default_rng(0).permutation(LOAN.schema.names).tolist()
Codes = list[list[str]]

pytestmark = pytest.mark.usefixtures("fewer_repetitions")


def explained(folder: Path, data: Path, declaration: Declaration, algorithm: str) -> Callable[[pd.DataFrame], Codes]:
    """Trains, and gives the function from rows to their reasons."""
    registry = Registry.open(folder, create=True)
    learned = InMemory().learn(
        Training(data=str(data), declaration=declaration, algorithm=algorithm), registry, Progress()
    )
    files, columns = learned.fitted.files, declaration.columns
    score = Scorer(files, "the model").probabilities
    found = explainer(files, score, columns, declaration.schema.features(), learned.reference.baseline)
    return lambda rows: found.reason_codes(rows[[column.name for column in columns]].to_numpy(float))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data with a column that is a copy of another."""
    path = tmp_path_factory.mktemp("data") / "data.csv"
    generate(800, 1).assign(Twin=lambda frame: frame["Credit_Score"]).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("algorithm", ["logistic", "gradient_boosting", "scorecard"])
def test_a_declaration_in_another_order_gives_the_same_reasons(tmp_path: Path, small: Path, algorithm: str) -> None:
    shuffled = msgspec.structs.replace(LOAN, columns=tuple(LOAN.schema[name] for name in ORDER))
    straight = explained(tmp_path, small, LOAN, algorithm)(ROWS)
    assert explained(tmp_path, small, shuffled, algorithm)(ROWS) == straight
    assert any(codes[3] for codes in straight)


def test_columns_that_are_copies_of_each_other_stand_in_the_order_of_their_names(tmp_path: Path, small: Path) -> None:
    twin = msgspec.structs.replace(LOAN.schema["Credit_Score"], name="Twin")
    declared = msgspec.structs.replace(LOAN, columns=(twin, *LOAN.columns))
    codes = explained(tmp_path, small, declared, "logistic")(ROWS.assign(Twin=ROWS["Credit_Score"]))
    both = [each for each in codes if "TWIN_LOW" in each and "CREDIT_SCORE_LOW" in each]
    assert both
    assert all(each.index("TWIN_LOW") == each.index("CREDIT_SCORE_LOW") + 1 for each in both)


def test_neither_a_proxy_nor_a_protected_column_is_a_reason_and_the_card_says_how_often(
    tmp_path: Path, data_file: Path
) -> None:
    proxied = tuple(msgspec.structs.replace(column, proxy=column.name == "Credit_Score") for column in LOAN.columns)
    declared = msgspec.structs.replace(LOAN, columns=proxied)
    registry = Registry.open(tmp_path, create=True)
    training = Training(data=str(data_file), declaration=declared, algorithm="logistic", use_protected=("Age",))
    model = TabularModel.from_registry(registry, run_training(training, registry, Progress()).version)
    assert [column.name for column in model.manifest.schema if column.proxy] == ["Credit_Score"]
    codes = model.reason_codes(ROWS[list(LOAN.schema.names)].to_numpy(float))
    given = {code for row in codes for code in row}
    assert not {code for code in given if code.startswith(("AGE", "CREDIT_SCORE"))}
    assert "ANNUAL_INCOME_LOW" in given
    found = Results.decode(registry.read("v1", FILE)).withheld
    assert found is not None
    assert found.columns == ("Age", "Credit_Score")
    assert found.lowered_most.value is not None
    assert found.lowered_most.value > 0.1
    card = CliRunner().invoke(app, ["card", "v1", "--registry", str(tmp_path)]).stdout
    assert "rejected applications of the holdout were lowered most by Age or Credit_Score" in card
    assert "Never given, because the declaration says that they stand for others: Credit_Score." in card
