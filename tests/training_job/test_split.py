"""No row is judged by a model that has seen it, a copy of it, or a relative."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from loan_model.synthetic import LOAN, generate
from tabular_model.declaration import Declaration
from tabular_model.errors import DataError
from tabular_model.registry import Registry
from tabular_model.results import Results
from training_job.data import Dataset
from training_job.progress import Progress
from training_job.run import Training, run_training
from training_job.split import split


def dataset(frame: pd.DataFrame, groups: Any = None, times: Any = None) -> Dataset:
    return Dataset(
        frame[list(LOAN.schema.names)].reset_index(drop=True),
        frame[LOAN.target.name].to_numpy(np.int64),
        "data.csv",
        "0",
        (),
        groups,
        times,
    )


def results(tmp_path: Path, frame: pd.DataFrame, declaration: Declaration = LOAN, **parameters: Any) -> Results:
    """Of a version trained on the frame."""
    frame.to_csv(tmp_path / "data.csv", index=False)
    registry = Registry.open(tmp_path / "registry", create=True)
    training = Training(data=str(tmp_path / "data.csv"), declaration=declaration, **parameters)
    return Results.decode(registry.read(run_training(training, registry, Progress()).version, "metrics.json"))


def test_rows_of_their_own_are_split_as_scikit_learn_does() -> None:
    data = dataset(generate(400))
    found = split(data, 0.25, seed=3)
    expected, _ = train_test_split(np.arange(400), test_size=0.25, stratify=data.target, random_state=3)
    assert found.train.frame.index.tolist() == expected.tolist()
    assert found.notes == ()


def test_copies_of_a_row_stay_on_one_side_and_are_counted() -> None:
    frame = generate(100)
    data = dataset(pd.concat([frame] * 20, ignore_index=True))
    found = split(data, 0.25, seed=0)
    assert found.notes == ("1900 rows are duplicates of another row; duplicates stay on one side of every split.",)
    assert not set(found.train.frame.index % 100) & set(found.holdout.frame.index % 100)
    assert len(found.holdout.target) / 2000 == pytest.approx(0.25, abs=0.03)
    assert found.holdout.target.mean() == pytest.approx(data.target.mean(), abs=0.05)


def test_copies_of_data_without_signal_pass_no_gate(tmp_path: Path) -> None:
    frame = pd.concat([generate(100, shuffle_target=True)] * 20, ignore_index=True)
    found = results(tmp_path, frame, algorithm="gradient_boosting")
    assert not found.verdict.passed
    assert "no better than chance" in found.verdict.reasons[0]
    assert "1900 rows are duplicates" in found.notes[0]


def test_a_group_stays_on_one_side_with_the_copies_of_its_rows() -> None:
    frame = generate(600)
    frame.iloc[5] = frame.iloc[0]  # a copy joins the groups of both rows
    groups = np.arange(600) // 3
    found = split(dataset(frame, groups.astype(str)), 0.25, seed=0)
    sides = [set(groups[rows.frame.index]) for rows in (found.train, found.holdout)]
    assert not sides[0] & sides[1]
    assert {0, 1} <= sides[0] or {0, 1} <= sides[1]
    assert "groups kept together" in found.how


def test_the_newest_rows_are_held_out_and_no_relative_is_trained_on() -> None:
    times = np.datetime64("2024-01-01") + np.arange(600) % 365
    groups = (np.arange(600) // 7).astype(str)
    found = split(dataset(generate(600), None, times), 0.25, seed=0)
    assert found.train.times is not None
    assert found.holdout.times is not None
    assert found.train.times.max() < found.holdout.times.min()
    assert "out of time" in found.how
    related = split(dataset(generate(600), groups, np.sort(times)), 0.1, seed=0)
    assert not set(groups[related.train.frame.index]) & set(groups[related.holdout.frame.index])


@pytest.mark.parametrize(
    ("groups", "times", "said"),
    [
        (np.array(["a"] * 100), None, "belong to one group"),
        (None, np.array(["2024-01-01"] * 100, "datetime64[D]"), "have the same time"),
    ],
)
def test_what_cannot_be_split_is_one_sentence(groups: Any, times: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        split(dataset(generate(100), groups, times), 0.25, seed=0)


def test_a_declared_group_and_time_reach_the_report(tmp_path: Path) -> None:
    frame = generate(1500).assign(applicant=np.arange(1500) // 2, day="2024-01-01")
    frame["day"] = (np.datetime64("2024-01-01") + np.arange(1500) // 5).astype(str)
    declaration = msgspec.structs.replace(LOAN, group="applicant", time="day")
    found = results(tmp_path, frame, declaration, algorithm="logistic")
    assert sum(period.quality.rows for period in found.periods) == found.holdout.rows
    assert found.periods[0].first < found.periods[-1].first
    page = Registry.open(tmp_path / "registry").read("v1", "report.html").decode()
    assert "By period" in page
    assert "out of time" in page


def test_a_column_that_alone_tells_the_target_is_called_a_leak(tmp_path: Path) -> None:
    frame = generate(1500)
    frame["Loan_Duration_Years"] = np.where(frame[LOAN.target.name] == 1, 10, 20)
    found = results(tmp_path, frame, algorithm="logistic")
    assert not found.verdict.passed
    assert found.verdict.reasons[0].startswith(
        "Loan_Duration_Years alone predicts the target: its AUC on the holdout is 1.000"
    )
