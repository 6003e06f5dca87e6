"""Other sets of columns: the same training without some of them, on the same rows."""

from pathlib import Path

import msgspec
import pandas as pd
import pytest

from loan_model.synthetic import LOAN, generate
from tabular_model.alternatives import Alternative, Alternatives
from tabular_model.errors import DataError, ModelError
from tabular_model.metrics import Estimate
from tabular_model.registry import Artifact, Registry
from tabular_model.results import FILE, Results
from tabular_model.tradeoffs import Lowest, Tradeoff
from training_job import alternatives as module
from training_job.alternatives import alternatives
from training_job.progress import Progress
from training_job.run import Training, run_training

pytestmark = pytest.mark.usefixtures("fewer_repetitions")


def loaded(root: Path, version: str) -> Artifact:
    return Registry.open(root).load(version)


@pytest.fixture(scope="module", params=["v1", "v2"], ids=["gradient boosting", "logistic"])
def tried(request: pytest.FixtureRequest, trained_registry: Path, data_file: Path) -> tuple[Artifact, Alternatives]:
    artifact = loaded(trained_registry, request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tabular_model.metrics.RESAMPLES", 100)
        return artifact, alternatives(*artifact, str(data_file), Progress())


def test_the_first_set_is_the_version_and_the_next_leave_out_each_column(tried: tuple[Artifact, Alternatives]) -> None:
    (manifest, files), found = tried
    recorded = Results.decode(files[FILE])
    own = found.sets[0]
    assert own.left_out == ()
    assert own.auc.value == pytest.approx(recorded.holdout.auc.value, abs=1e-12)
    assert own.difference == Estimate(0, 0, 0)
    in_use = next(each for each in recorded.tradeoffs if each.threshold == manifest.threshold)
    assert own.at.approval_rate == in_use.approval_rate
    assert own.at.lowest == in_use.lowest
    alone = [each.left_out for each in found.sets[1 : len(manifest.features) + 1]]
    assert alone == [(name,) for name in manifest.features]
    assert (found.rows, found.reproduced < 1e-9, found.not_alone) == (recorded.holdout.rows, True, ())


def test_each_set_approves_as_many_and_its_difference_is_to_the_version(tried: tuple[Artifact, Alternatives]) -> None:
    _, found = tried
    own = found.sets[0]
    for each in found.sets[1:]:
        if len(each.left_out) == 1:  # with few columns many scores are equal
            assert each.at.approval_rate == pytest.approx(own.at.approval_rate, abs=0.01)
        assert each.auc.value is not None
        assert each.difference.value == pytest.approx(each.auc.value - (own.auc.value or 0))
    without_score = next(each for each in found.sets if each.left_out == ("Credit_Score",))
    assert without_score.difference.high is not None
    assert without_score.difference.high < 0


def test_one_more_is_left_out_as_long_as_the_ratio_rises(tried: tuple[Artifact, Alternatives]) -> None:
    (manifest, _), found = tried
    further = [each for each in found.sets if len(each.left_out) > 1]
    ratios = {each.left_out: each.ratio("Age") or 0 for each in found.sets}
    best: tuple[str, ...] = ()
    while True:
        step = {left: ratio for left, ratio in ratios.items() if left[:-1] == best and left}
        if not step or max(step.values()) <= ratios[best]:
            break
        assert len(step) == len(manifest.features) - len(best)
        best = max(step, key=lambda left: step[left])
    assert len(best) > 0
    assert all(left[: len(left) - 1] == best[: len(left) - 1] for left in (each.left_out for each in further))


def test_the_column_that_stands_for_age_is_found(tmp_path: Path) -> None:
    """In the synthetic data income rises with age: without it the young are approved more alike."""
    generate(6000, 0).to_csv(tmp_path / "data.csv", index=False)
    training = Training(data=str(tmp_path / "data.csv"), algorithm="logistic")
    registry = Registry.open(tmp_path / "registry", create=True)
    run_training(training, registry, Progress())
    found = alternatives(*registry.load("v1"), "", Progress())
    alone = {each.left_out[0]: each.ratio("Age") or 0 for each in found.sets if len(each.left_out) == 1}
    assert max(alone, key=lambda name: alone[name]) == "Annual_Income"
    assert alone["Annual_Income"] > (found.sets[0].ratio("Age") or 1) + 0.1


def test_trainings_are_bounded(trained_registry: Path, data_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALONE", 3)
    monkeypatch.setattr(module, "FURTHER", 2)
    manifest, files = loaded(trained_registry, "v2")
    found = alternatives(manifest, files, str(data_file), Progress())
    assert len(found.sets) <= 1 + 3 + 2
    assert found.most == 5
    assert found.not_alone == manifest.features[3:]


def test_other_data_are_refused(trained_registry: Path, tmp_path: Path) -> None:
    generate(300, 9).to_csv(tmp_path / "other.csv", index=False)
    artifact = loaded(trained_registry, "v1")
    with pytest.raises(DataError, match="is not the data that v1 was trained on: its sha256 differs"):
        alternatives(*artifact, str(tmp_path / "other.csv"), Progress())
    with pytest.raises(DataError, match="The data of v1 were not found at"):
        alternatives(*artifact, str(tmp_path / "absent.csv"), Progress())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"algorithm": "pipeline"}, "v1 was trained by a custom pipeline, whose code a card does not run"),
        ({"engine": "stream"}, "v1 was trained on rows that did not stay in memory (stream)"),
        (
            {"schema": tuple(msgspec.structs.replace(each, protected=False, bands=()) for each in LOAN.columns)},
            "v1 has no protected column",
        ),
        ({"features": ("Credit_Score",)}, "v1 was trained on one column"),
        ({"threshold": 1.0}, "v1 approves no row of its holdout"),
    ],
    ids=["pipeline", "engine", "unprotected", "one", "none approved"],
)
def test_what_cannot_be_tried_is_said(
    trained_registry: Path, data_file: Path, changed: dict[str, object], said: str
) -> None:
    manifest, files = loaded(trained_registry, "v1")
    with pytest.raises(ModelError) as error:
        alternatives(msgspec.structs.replace(manifest, **changed), files, str(data_file), Progress())
    assert str(error.value).startswith(said)
    assert str(error.value).endswith("write its card without --data.")


def test_groups_that_are_too_small_are_not_compared(trained_registry: Path, data_file: Path) -> None:
    manifest, files = loaded(trained_registry, "v1")
    wide = tuple(msgspec.structs.replace(each, bands=(18.5,)) if each.protected else each for each in manifest.schema)
    young = pd.read_csv(data_file)["Age"] < 18.5
    assert young.sum() * manifest.data.holdout < 60
    with pytest.raises(DataError, match="Fewer than two groups of the holdout of v1 are large enough"):
        alternatives(msgspec.structs.replace(manifest, schema=wide), files, str(data_file), Progress())


def made(auc: float, high: float, ratio: float | None) -> Alternative:
    lowest = {} if ratio is None else {"Age": Lowest("young", Estimate(ratio, 0, 2))}
    at = Tradeoff(0.5, 0.5, 0.7, lowest)
    return Alternative(left_out=(), auc=Estimate(auc, 0, 1), difference=Estimate(high - 0.01, -1, high), at=at)


def test_the_frontier_and_what_is_fairer_at_no_shown_cost() -> None:
    sets = (made(0.8, 0, 0.7), made(0.79, 0.001, 0.9), made(0.7, -0.05, 0.95), made(0.69, -0.05, 0.6), made(1, 1, None))
    found = Alternatives(rows=100, most=80, reproduced=0.0, sets=sets, not_alone=())
    assert found.frontier("Age") == [0, 1, 2]
    assert found.fairer("Age") == [1]
    assert found.fairer("Sex") == []
