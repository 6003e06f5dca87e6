"""A scorecard: monotone bins, their weight of evidence, and points that mean what they say."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_model.synthetic import LOAN, generate
from tabular_model.estimators import FAMILIES, probability
from tabular_model.estimators.equality import check_equal
from tabular_model.estimators.scorecard import Scorecard
from tabular_model.estimators.weight_of_evidence import Binner, Counts
from tabular_model.parameters import ScorecardParameters
from tabular_model.points import FILE, Card
from tabular_model.schema import Schema
from tests import second_model

NAMES = list(LOAN.schema.names)
scorecard = FAMILIES["scorecard"]


@pytest.fixture(scope="module")
def fitted() -> Any:
    frame = generate(4000)
    pipeline = scorecard.build(LOAN.schema, LOAN.schema.features(), ScorecardParameters(), 0)
    return pipeline.fit(frame[NAMES], frame[LOAN.target.name])


@pytest.fixture(scope="module")
def card(fitted: Any) -> Card:
    return Card.decode(scorecard.compile(fitted, LOAN.schema).files[FILE])


def test_the_evidence_is_the_log_of_the_shares_ratio() -> None:
    values = np.repeat([1.0, 2.0, np.nan], [400, 400, 200])
    target = np.concatenate(
        [np.repeat([1, 0], [100, 300]), np.repeat([1, 0], [300, 100]), np.repeat([1, 0], [90, 110])]
    )
    found = Binner(6, 0.05).number(Counts.of(values, target), 0)
    assert found.edges.tolist() == [1.5]
    assert (found.approved.tolist(), found.rejected.tolist()) == ([100, 300, 90], [300, 100, 110])
    approved, rejected = 490, 510
    expected = [np.log((a + 0.5) / (r + 0.5) * rejected / approved) for a, r in [(100, 300), (300, 100), (90, 110)]]
    np.testing.assert_allclose(found.evidence, expected)


@given(seed=st.integers(0, 1000), direction=st.sampled_from([1, -1]), most=st.integers(2, 10))
def test_bins_of_a_number_are_monotone_and_hold_enough_rows(seed: int, direction: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=600)
    target = (rng.random(600) < 1 / (1 + np.exp(-np.sin(2 * values)))).astype(np.int64)
    found = Binner(most, 0.05).number(Counts.of(values, target), direction)
    shares = found.approved[:-1] / (found.approved + found.rejected)[:-1]
    assert len(shares) <= most
    assert (np.diff(shares) * direction >= 0).all()
    assert ((found.approved + found.rejected)[:-1] >= 30).all()


def test_a_level_that_training_does_not_have_counts_as_missing() -> None:
    codes = np.array([0.0] * 50 + [1.0] * 50 + [np.nan] * 20)
    target = np.array([0, 1] * 20 + [0] * 10 + [1] * 50 + [0, 1] * 10)
    found = Binner(6, 0.05).category(Counts.of(codes, target), levels=3)
    assert found.find(np.array([2.0, np.nan])).tolist() == [len(found.evidence) - 1] * 2
    assert found.find(np.array([0.0]))[0] != found.find(np.array([1.0]))[0]


def test_what_speaks_against_its_own_evidence_is_left_out() -> None:
    """A copy with noise would get a negative coefficient beside what it copies."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=4000)
    target = (truth + rng.logistic(size=4000) > 0).astype(int)
    matrix = np.column_stack([truth, truth + rng.normal(0, 0.3, 4000), -(truth**3) + rng.normal(0, 3, 4000)])
    model = Scorecard(levels=[0, 0, 0], directions=[0, 0, 0], C=1e6).fit(matrix, target)
    assert (model.coef_ >= 0).all()
    assert model.coef_.max() > 0


def test_without_signal_everyone_has_the_same_probability() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 400)
    model = Scorecard(levels=[0], directions=[0]).fit(np.ones((400, 1)), target)
    assert model.predict_proba(np.array([[1.0], [np.nan]]))[:, 1] == pytest.approx([target.mean()] * 2)


def test_points_are_log_odds_in_the_cards_scale(fitted: Any, card: Card) -> None:
    rows = generate(50, seed=3)[NAMES]
    log_odds = np.log(probability(fitted, rows) / (1 - probability(fitted, rows)))
    model = fitted["model"]
    places = {
        name: b.find(rows[name].to_numpy(float))
        for name, b in zip(LOAN.schema.features(), model.binnings_, strict=True)
    }
    score = np.full(50, card.start)
    for variable in card.variables:
        score += [variable.bins[place].points for place in places[variable.column]]
    expected = card.base_score + card.pdo / np.log(2) * (log_odds - np.log(card.base_odds))
    np.testing.assert_allclose(score, expected, atol=0.005 * (len(card.variables) + 2))


def test_the_table_names_each_bin_and_counts_its_rows(card: Card) -> None:
    variable = next(each for each in card.variables if each.column == "Credit_Score")
    assert variable.bins[0].bin.startswith("up to ")
    assert [variable.bins[-2].bin[:6], variable.bins[-1].bin] == ["above ", "missing"]
    assert sum(each.rows for each in variable.bins) == 4000
    assert variable.information_value > 0.5
    points = [each.points for each in variable.bins[:-1]]
    assert points == sorted(points)


def test_words_and_missing_values_compile_to_the_same_model() -> None:
    frame = second_model.generate(1500)
    schema = Schema(second_model.columns())
    codes = pd.DataFrame(
        {
            c.name: frame[c.name].map({level: i for i, level in enumerate(c.levels)})
            if c.type == "category"
            else frame[c.name].map({"yes": 1.0, "no": 0.0})
            if c.type == "boolean"
            else frame[c.name]
            for c in schema.columns
        }
    ).astype(float)
    pipeline = scorecard.build(schema, schema.features(), ScorecardParameters(max_bins=10, min_bin_share=0.02), 0)
    pipeline.fit(codes, (frame["outcome"] == "good").astype(int))
    compiled = scorecard.compile(pipeline, schema)
    assert set(compiled.files) == {"model.onnx", "tables.npz", "explain_trees.npz", FILE}
    assert check_equal(pipeline, compiled, schema, 0.5, 0).largest_difference < 1e-12
    words = next(v for v in Card.decode(compiled.files[FILE]).variables if v.column == "word_4")
    assert {level for each in words.bins for level in each.bin.split(", ")} == {
        *second_model.WORDS["word_4"],
        "missing",
    }
