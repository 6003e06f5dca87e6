"""A training that keeps no more than a sample in memory gives the version that one in memory would give."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from loan_model.synthetic import LOAN, generate
from tabular_model import metrics
from tabular_model.declaration import Declaration
from tabular_model.errors import DataError, ModelError
from tabular_model.registry import Registry
from tabular_model.results import Results
from tests import second_model
from training_job.in_memory import InMemory
from training_job.learned import Learned
from training_job.out_of_core import pages
from training_job.out_of_core.engine import OutOfCore
from training_job.progress import Progress
from training_job.run import Training, run_training
from training_job.split import Rows


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry.open(tmp_path / "registry", create=True)


pytestmark = pytest.mark.usefixtures("fewer_repetitions")


@pytest.fixture(autouse=True)
def few_rows_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample of a third of the rows, and several pages."""
    monkeypatch.setattr("training_job.out_of_core.engine.ROWS", 1500)
    monkeypatch.setattr(pages, "PAGE_ROWS", 1000)


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """5 000 rows in five files of unlike sizes."""
    folder = tmp_path_factory.mktemp("parts")
    rows = generate(5000, 3)
    for number, (start, end) in enumerate(pairwise([0, 100, 1200, 1300, 4000, 5000])):
        rows[start:end].to_parquet(folder / f"{number}.parquet", index=False)
    return folder


def learn(training: Training, registry: Registry) -> Learned:
    return OutOfCore().learn(training, registry, Progress())


def quality_of(learned: Learned) -> float:
    """The AUC on rows that nobody was trained on."""
    unseen = generate(5000, 9)
    frame = unseen[list(LOAN.schema.names)].astype(float)
    target = unseen["Loan_Approval"].to_numpy(np.int64)
    return metrics.auc(target, learned.fitted.score(Rows(frame, target, None, None)))


@pytest.mark.parametrize("algorithm", ["gradient_boosting", "logistic", "scorecard"])
def test_its_quality_is_that_of_memory(registry: Registry, parts: Path, algorithm: str) -> None:
    training = Training(data=str(parts), algorithm=algorithm)
    memory, learned = InMemory().learn(training, registry, Progress()), learn(training, registry)
    assert quality_of(learned) == pytest.approx(quality_of(memory), abs=0.005)
    found = learned.results
    assert found.verdict.passed
    assert found.holdout.rows == pytest.approx(0.25 * 5000, rel=0.1)
    cells = (getattr(found.decisions, name) for name in found.decisions.__struct_fields__)
    assert sum(cells) == found.holdout.rows
    assert sum(segment.quality.rows for segment in found.segments["Age"]) == found.holdout.rows
    (own,) = (each for each in found.tradeoffs if each.threshold == found.threshold.value)
    by_band = {segment.band: segment.adverse_impact_ratio for segment in found.segments["Age"]}
    assert own.lowest["Age"].ratio.value == pytest.approx(by_band[own.lowest["Age"].band])
    assert sum(one.rows for one in found.reliability) == found.holdout.rows
    assert (learned.engine, learned.data) == ("stream", memory.data)
    assert ("xgboost" in learned.libraries) == (algorithm == "gradient_boosting")
    assert any("judged on a sample of 1" in note for note in found.notes)


def test_a_version_says_how_it_was_trained(registry: Registry, parts: Path) -> None:
    manifest = run_training(Training(data=str(parts), algorithm="logistic"), registry, Progress(), engine=OutOfCore())
    assert manifest.engine == "stream"
    assert registry.manifest("v1") == manifest
    assert b"by a hash of their values" in registry.read("v1", "report.html")


def test_the_same_rows_in_other_files_are_held_out_alike(registry: Registry, parts: Path, tmp_path: Path) -> None:
    pd.read_parquet(parts).sample(frac=1, random_state=1).to_csv(tmp_path / "all.csv", index=False)
    one, again, other = (
        learn(Training(data=str(data), algorithm="gradient_boosting"), registry)
        for data in (parts, parts, tmp_path / "all.csv")
    )
    assert one.fitted.files == again.fitted.files
    assert one.results == again.results
    assert one.shown.frame.equals(other.shown.frame)
    assert one.results.holdout.rows == other.results.holdout.rows


def test_words_and_missing_values_are_learned(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    second_model.generate(6000).to_parquet(path, index=False)
    training = Training(data=str(path), declaration=second_model.DECLARATION, algorithm="gradient_boosting")
    found = learn(training, registry).results
    assert found.verdict.passed
    assert found.holdout.auc.value is not None
    assert found.holdout.auc.value > 0.8
    assert {segment.band for segment in found.segments["gender"]} == {"female", "male", "missing"}


def test_a_shuffled_target_is_no_better_than_chance(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "shuffled.parquet"
    generate(5000, 0, shuffle_target=True).to_parquet(path, index=False)
    verdict = learn(Training(data=str(path), algorithm="scorecard"), registry).results.verdict
    assert "no better than chance" in " ".join(verdict.reasons)


def test_groups_and_times_are_kept_apart(registry: Registry, tmp_path: Path) -> None:
    rows = generate(4000, 0)
    rows["customer"] = np.arange(4000) // 2  # whose second row is a day later
    rows["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta((np.arange(4000) // 11 + np.arange(4000) % 2), unit="D")
    path = tmp_path / "rows.parquet"
    rows.to_parquet(path, index=False)
    declared = Training(data="").declaration
    fields = {name: getattr(declared, name) for name in declared.__struct_fields__}

    def trained(**changed: str) -> Results:
        declaration = Declaration(**fields | changed)
        return learn(Training(data=str(path), declaration=declaration, algorithm="logistic"), registry).results

    grouped, timed, both = trained(group="customer"), trained(time="day"), trained(group="customer", time="day")
    assert grouped.holdout.rows % 2 == 0
    assert [period.first for period in timed.periods] == sorted(period.first for period in timed.periods)
    assert timed.periods[-1].last == str(rows["day"].max().date())
    assert sum(period.quality.rows for period in timed.periods) == timed.holdout.rows
    assert both.holdout.rows == timed.holdout.rows


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows: rows.drop(columns="Age"), "has no column Age"),
        (lambda rows: rows.head(0), "has column names but no rows"),
        (lambda rows: rows.assign(Loan_Approval=1), "Loan_Approval is 1 in every row"),
        (lambda rows: rows.assign(Age=rows["Age"] * 1000), "Age: .* does not belong to a column of 18 to 69, and 9"),
        (lambda rows: rows.assign(Credit_Score="good"), "row 1, column Credit_Score: 'good' is not a number"),
        (lambda rows: rows.assign(Annual_Income=np.nan), "has a value in only 0 rows of column Annual_Income"),
    ],
)
def test_data_that_cannot_be_trained_on_are_refused(
    registry: Registry, tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], sentence: str
) -> None:
    path = tmp_path / "rows.parquet"
    change(generate(200, 0)).to_parquet(path, index=False)
    with pytest.raises(DataError, match=sentence):
        learn(Training(data=str(path), algorithm="logistic"), registry)
    assert registry.latest() is None


def test_a_pipeline_of_ones_own_is_refused_with_what_to_do(registry: Registry, parts: Path) -> None:
    with pytest.raises(ModelError, match="needs all rows in memory; train it with --engine memory"):
        learn(Training(data=str(parts), algorithm="pipeline"), registry)
