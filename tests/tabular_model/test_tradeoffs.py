import numpy as np
import pytest

from tabular_model.evaluate import Decisions, Judged
from tabular_model.metrics import Estimate, auc
from tabular_model.tradeoffs import SHARES, Lowest, Tradeoff, at_rate, frontier, tradeoffs


def drawn(rows: int = 2000) -> tuple[Judged, dict[str, list[tuple[str, Judged]]]]:
    rng = np.random.default_rng(0)
    score, old = rng.random(rows), rng.random(rows) < 0.5
    score = np.where(old, score, score * 0.8)
    judged = Judged((rng.random(rows) < score).astype(np.int64), score)
    return judged, {"age": [("young", judged.of(~old)), ("old", judged.of(old))]}


def test_each_threshold_has_the_figures_that_its_decisions_have() -> None:
    judged, bands = drawn()
    found = tradeoffs(judged, bands, 0.5)
    assert len(found) == len(SHARES) + 1
    assert [each.threshold for each in found] == sorted(each.threshold for each in found)
    for each in found:
        approved = judged.score >= each.threshold
        cells = Decisions.of(judged.target, judged.score, each.threshold)
        assert each.approval_rate == pytest.approx(approved.mean())
        assert each.approval_rate * judged.rows == cells.true_approvals + cells.false_approvals
        assert each.decision_auc == pytest.approx(auc(judged.target, approved.astype(np.float64)))
        rates = {name: (part.score >= each.threshold).mean() for name, part in bands["age"]}
        assert each.lowest["age"].band == min(rates, key=lambda name: rates[name])
        assert each.lowest["age"].ratio.value == pytest.approx(min(rates.values()) / max(rates.values()))
    shares = [each.approval_rate for each in found if each.threshold != 0.5]
    assert shares == pytest.approx(sorted(SHARES, reverse=True), abs=0.001)


def test_a_rate_is_kept_as_nearly_as_equal_scores_allow() -> None:
    judged, bands = drawn()
    found = at_rate(judged, bands, 0.3)
    assert found.approval_rate == pytest.approx(0.3, abs=0.0005)
    assert found in tradeoffs(judged, bands, found.threshold)
    coarse = judged._replace(score=np.round(judged.score, 1))
    rates = [(coarse.score >= each).mean() for each in np.unique(coarse.score)]
    assert at_rate(coarse, {}, 0.33).approval_rate == min(rates, key=lambda rate: abs(rate - 0.33))


def test_counted_rows_are_as_the_rows_themselves() -> None:
    judged, bands = drawn(400)
    twice = Judged(np.tile(judged.target, 2), np.tile(judged.score, 2))
    counted = judged._replace(counts=np.full(400, 2))
    of_twice = {"age": [(name, Judged(np.tile(b.target, 2), np.tile(b.score, 2))) for name, b in bands["age"]]}
    of_counted = {"age": [(name, b._replace(counts=np.full(b.rows, 2))) for name, b in bands["age"]]}
    assert tradeoffs(counted, of_counted, 0.5) == tradeoffs(twice, of_twice, 0.5)


def test_groups_too_small_to_compare_are_not_compared() -> None:
    judged, bands = drawn(400)
    few = {"age": [("young", bands["age"][0][1]), ("old", judged.of(np.arange(400) < 20))]}
    assert all(each.lowest == {} for each in tradeoffs(judged, few, 0.5))


def test_rows_of_one_class_tell_no_quality() -> None:
    judged, _ = drawn(400)
    assert {each.decision_auc for each in tradeoffs(judged.of(judged.target == 1), {}, 0.5)} == {None}


def test_the_frontier_has_what_nothing_beats() -> None:
    points = [(0.6, 0.9), (0.7, 0.8), (0.65, 0.7), (0.7, 0.5)]
    found = [Tradeoff(i / 10, 0.5, auc, {"age": Lowest("a", Estimate(r, 0, 1))}) for i, (auc, r) in enumerate(points)]
    assert [each.threshold for each in frontier(found, "age")] == [0.0, 0.1]
    assert frontier(found, "sex") == []
