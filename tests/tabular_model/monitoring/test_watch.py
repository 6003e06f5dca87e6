"""On data whose truth is known, what was planted is found, and nothing else."""

import shutil
from datetime import UTC, date, datetime

import msgspec
import numpy as np
import pytest

from tabular_model.data import open_rows
from tabular_model.decisions.made import Decided
from tabular_model.decisions.records import Records
from tabular_model.errors import DataError, IntegrityError, RecordError, VersionNotFound
from tabular_model.monitoring.findings import Check, Outcome
from tabular_model.monitoring.limits import Limits
from tabular_model.monitoring.watch import Given, Sources, Version, compared, monitor
from tabular_model.registry import Registry
from tests.tabular_model.decisions.decided import refused, writing, written
from tests.tabular_model.monitoring.windows import applications, lower_credit_score, model

FIRST, LAST = date(2026, 1, 1), date(2026, 12, 31)

pytestmark = pytest.mark.usefixtures("fewer_draws")


@pytest.fixture
def root(monitored_record):
    return monitored_record


@pytest.fixture(scope="module")
def version(trained_registry):
    return Version.read(Registry.open(trained_registry), "v2")


@pytest.fixture(scope="module")
def logistic(trained_registry):
    return model(trained_registry, "v2")


def opened(root, registry, protected=True):
    beside = Records.open(str(root / "protected")) if protected else None
    return Sources(Records.open(str(root / "records")), beside, Registry.open(registry))


def found(version, of, rows=4000, seed=3, change=lambda frame: frame, decide=lambda _, decision: decision):
    matrix, _ = applications(rows, seed, change)
    scores = of.score(matrix)
    tally = version.counter.count(matrix, scores.probability, decide(matrix, scores.decision))
    findings = compared(version, tally, None, Limits()).having(Outcome.found)
    return {(each.check, each.subject) for each in findings}


def test_nothing_is_found_where_nothing_changed(version, logistic):
    assert [found(version, logistic, seed=seed) for seed in range(3, 6)] == [set()] * 3


def test_a_shift_is_found_in_its_column_and_in_the_scores(version, logistic):
    seen = found(version, logistic, change=lower_credit_score)
    assert {(Check.drift, "Credit_Score"), (Check.score_drift, "score"), (Check.approval, "approvals")} == seen


def test_missing_values_and_another_unit_are_found(version, logistic):
    def change(frame):
        odd = np.arange(len(frame)) % 12 == 0
        return frame.assign(
            Loan_Amount=frame["Loan_Amount"].mask(odd, np.nan),
            Annual_Income=frame["Annual_Income"].mask(odd, frame["Annual_Income"] / 1000),
        )

    seen = found(version, logistic, change=change)
    assert {(Check.missing, "Loan_Amount"), (Check.out_of_range, "Annual_Income")} <= seen
    assert not {subject for _, subject in seen} & {"Credit_Score", "Age", "Number_of_Open_Accounts"}


def test_a_group_that_is_approved_less_often_is_found(version, logistic):
    def decide(matrix, decision):
        return np.where((matrix[:, 0] < 25) & (np.arange(len(matrix)) % 2 == 0), 0, decision)

    assert found(version, logistic, decide=decide) == {(Check.adverse_impact, "Age: below 25")}


def test_of_few_rows_the_answer_is_that_they_are_too_few(version, logistic):
    matrix, _ = applications(40, 1)
    scores = logistic.score(matrix)
    tally = version.counter.count(matrix, scores.probability, scores.decision)
    seen = compared(version, tally, None, Limits())
    assert not seen.having(Outcome.found)
    assert len(seen.having(Outcome.unsure)) > len(seen.having(Outcome.fine))
    assert seen.not_judged[Check.calibration] == "No outcomes have come."


def test_a_record_is_read_part_by_part_and_joined_to_its_outcomes(root, trained_registry):
    with open_rows(str(root / "outcomes.csv")) as rows:
        result = monitor(opened(root, trained_registry), FIRST, LAST, Limits(), Given(rows))
    (v2,) = result.versions
    assert (result.model, v2.version, v2.rows, v2.refused) == ("loan", "v2", 6000, 0)
    assert v2.groups["Age"][0].rows > 0
    assert result.joined.joined == v2.outcomes.quality.rows == round(v2.approval_rate.value * 6000)
    assert [each.month for each in v2.outcomes.vintages] == ["2026-01", "2026-02", "2026-03"]
    # The approved are alike: an AUC below the holdout's is what was promised for them.
    assert v2.outcomes.quality.auc.high < v2.outcomes.holdout.auc.low
    # Were the rejected as their probabilities say, the AUC of all would be no lower than that of the holdout.
    assert v2.outcomes.rejects.assumed[0].auc.high > v2.outcomes.holdout.auc.value > v2.outcomes.quality.auc.high
    assert v2.outcomes.rejects.rejected + v2.outcomes.rejects.approved == v2.rows
    # In March credit scores were recorded too low: more outcomes are good than was promised.
    of_outcomes = {each.subject for each in v2.having(Outcome.found)} - {"approvals"}
    assert of_outcomes == {"2026-03", "outcomes"}
    assert any(each.startswith("Reject inference: none") for each in result.assumptions)


def test_a_window_is_its_days_alone(root, trained_registry):
    sources = opened(root, trained_registry, protected=False)
    before, after = (
        {
            each.subject
            for each in monitor(sources, FIRST.replace(month=month), last, Limits()).versions[0].having("found")
        }
        for month, last in ((1, date(2026, 2, 28)), (3, LAST))
    )
    assert before == set()
    assert after == {"Credit_Score", "score", "approvals"}


def test_without_the_protected_record_fairness_is_not_judged(root, trained_registry):
    (v2,) = monitor(opened(root, trained_registry, protected=False), FIRST, date(2026, 1, 31), Limits()).versions
    assert v2.rows == 2000
    assert "Age" not in v2.columns
    assert not v2.groups
    assert "protected columns were not recorded" in v2.not_judged[Check.adverse_impact]


def test_versions_are_compared_each_with_itself(tmp_path, trained_registry, logistic):
    boosted = model(trained_registry, "v1")
    writer = writing(tmp_path / "records")
    matrix, _ = applications(200, 1)
    now = datetime(2026, 5, 1, tzinfo=UTC)
    for each in (logistic, boosted):
        written(writer, Decided(each.manifest, now, "", None, matrix, each.score(matrix)))
    written(writer, refused("No rows.", of=boosted.manifest, at=now))
    seen = monitor(opened(tmp_path, trained_registry, protected=False), FIRST, LAST, Limits()).versions
    assert [(each.version, each.rows, each.refused) for each in seen] == [("v1", 200, 1), ("v2", 200, 0)]


def test_what_does_not_fit_is_refused_with_a_sentence(root, trained_registry, tmp_path):
    with pytest.raises(RecordError, match="has no decisions from 2025-01-01 to 2025-02-01"):
        monitor(opened(root, trained_registry), date(2025, 1, 1), date(2025, 2, 1), Limits())
    registry = Registry.open(tmp_path / "registry", create=True)
    with pytest.raises(VersionNotFound, match="v2"):
        monitor(opened(root, tmp_path / "registry"), FIRST, LAST, Limits())
    artifact = Registry.open(trained_registry).load("v1")
    for _ in range(2):
        registry.publish(
            artifact.files, lambda name, sums: msgspec.structs.replace(artifact.manifest, version=name, files=sums)
        )
    with pytest.raises(RecordError, match=r"v2 in the registry .* is not the version that decided"):
        monitor(opened(root, tmp_path / "registry"), FIRST, LAST, Limits())
    without = {name: content for name, content in artifact.files.items() if name != "reference.json"}
    name = registry.publish(
        without | {"reference.json": b"{}"},
        lambda name, sums: msgspec.structs.replace(artifact.manifest, version=name, files=sums),
    ).version
    with pytest.raises(IntegrityError, match="v3 has no reference or no metrics to compare with: "):
        Version.read(registry, name)


def test_protected_rows_of_others_are_refused(root, trained_registry, tmp_path):
    copy = shutil.copytree(root, tmp_path / "copy")
    one, *_, other = sorted((copy / "protected").rglob("*.parquet"))
    shutil.copy(other, one)
    with pytest.raises(RecordError, match="does not have the rows beside it"):
        monitor(opened(copy, trained_registry), FIRST, LAST, Limits())


def test_outcomes_in_other_words_are_told_what_they_are(root, trained_registry, tmp_path):
    text = (root / "outcomes.csv").read_text().replace(",1,", ",paid,").replace(",0,", ",default,")
    (tmp_path / "outcomes.csv").write_text(text)
    sources = opened(root, trained_registry)
    sentence = r"None of the .* outcomes is 1 or 0: name the good and the bad"
    with open_rows(str(tmp_path / "outcomes.csv")) as rows, pytest.raises(DataError, match=sentence):
        monitor(sources, FIRST, LAST, Limits(), Given(rows))
    with open_rows(str(tmp_path / "outcomes.csv")) as rows:
        (v2,) = monitor(sources, FIRST, LAST, Limits(), Given(rows, ["paid"], ["default"])).versions
    assert v2.outcomes.other == 0
