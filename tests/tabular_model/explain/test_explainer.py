"""Reason codes add up to the score and name what lowered it."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loan_model.synthetic import LOAN
from tabular_model.explain import explainer as explainer_of
from tabular_model.schema import Column

FEATURES = tuple(name for name in LOAN.schema.names if name not in LOAN.schema.protected)
BASELINE = {c.name: (c.minimum + c.maximum) // 2 if c.name != "Had_Past_Default" else 0 for c in LOAN.columns}


def score(matrix):
    """A model with an interaction, a missing value and a protected column that it must not look at."""
    income, credit, amount = (np.nan_to_num(matrix[:, i], nan=0.0) for i in (1, 2, 3))
    raw = income / 50_000 + credit / 200 - amount / 20_000 * (1 + matrix[:, 6]) - 4
    return 1 / (1 + np.exp(-raw))


def log_odds(matrix):
    probability = score(matrix)
    return np.log(probability / (1 - probability))


@pytest.fixture(scope="module")
def explainer():
    return explainer_of({}, score, LOAN.columns, FEATURES, BASELINE)


rows = st.tuples(
    *[
        st.integers(int(c.minimum), int(c.maximum)).map(float) | (st.just(float("nan")) if c.nullable else st.nothing())
        for c in LOAN.columns
    ]
)


@given(st.lists(rows, min_size=1, max_size=4))
@settings(max_examples=50, deadline=None)
def test_parts_add_up_to_the_difference_from_the_baseline(explainer, values):
    matrix = np.array(values)
    baseline = np.array([[BASELINE[name] for name in LOAN.schema.names]])
    total = explainer.contributions(matrix).sum(axis=1)
    assert np.allclose(total, log_odds(matrix) - log_odds(baseline), atol=1e-9)


def test_a_column_outside_the_model_has_no_part(explainer):
    matrix = np.array([[69, 40_000, 400, 50_000, 10, 3, 1]], dtype=float)
    assert explainer.contributions(matrix)[0, 0] == 0
    assert explainer.reason_codes(matrix) == [
        ["HAD_PAST_DEFAULT", "LOAN_AMOUNT_HIGH", "ANNUAL_INCOME_LOW", "CREDIT_SCORE_LOW"]
    ]


def test_missing_is_a_reason_and_few_reasons_are_padded(explainer):
    matrix = np.array([[np.nan, 200_000, np.nan, 5_000, 10, 3, 0]])
    assert explainer.reason_codes(matrix) == [["CREDIT_SCORE_MISSING", "", "", ""]]


def test_many_rows_are_explained_as_one_by_one(explainer):
    random = np.random.default_rng(1)
    matrix = np.column_stack([random.uniform(c.minimum, c.maximum, 1100) for c in LOAN.columns])
    whole = explainer.contributions(matrix)
    assert np.allclose(whole[[0, 600, 1099]], explainer.contributions(matrix[[0, 600, 1099]]))
    codes = explainer.reason_codes(matrix)
    assert [codes[at] for at in (0, 600, 1099)] == [explainer.reason_codes(matrix[[at]])[0] for at in (0, 600, 1099)]


def marked(**marks):
    """The loan's columns, of which those named are protected or proxies."""
    return [
        msgspec.structs.replace(column, **{marks[column.name]: True}) if column.name in marks else column
        for column in LOAN.columns
    ]


@given(st.lists(rows, min_size=1, max_size=4), st.permutations(range(len(LOAN.columns))))
def test_the_order_of_columns_changes_no_reason(values, order):
    matrix = np.array(values)
    back = np.argsort(order)
    columns = [LOAN.columns[place] for place in order]
    shuffled = explainer_of({}, lambda each: score(each[:, back]), columns, FEATURES, BASELINE)
    straight = explainer_of({}, score, LOAN.columns, FEATURES, BASELINE)
    assert shuffled.reason_codes(matrix[:, order]) == straight.reason_codes(matrix)
    assert np.array_equal(shuffled.contributions(matrix[:, order])[:, back], straight.contributions(matrix))


def test_equal_parts_stand_in_the_order_of_the_names():
    def alike(matrix):
        return 1 / (1 + np.exp((matrix[:, 1:] < 0) @ np.array([0.1, 0.1, 0.1 + 1e-12, 0.1, 0.1, 0.1])))

    explained = explainer_of({}, alike, LOAN.columns, FEATURES, dict.fromkeys(LOAN.schema.names, 0.0))
    (codes,) = explained.reason_codes(np.full((1, 7), -1.0))
    assert codes == ["ANNUAL_INCOME_LOW", "CREDIT_SCORE_LOW", "HAD_PAST_DEFAULT", "LOAN_AMOUNT_LOW"]


@pytest.mark.parametrize("mark", ["protected", "proxy"])
def test_a_column_that_is_protected_or_a_proxy_is_no_reason(mark):
    matrix = np.array([[69, 40_000, 400, 50_000, 10, 3, 1]], dtype=float)
    columns = marked(Loan_Amount=mark)
    explained = explainer_of({}, score, columns, FEATURES, BASELINE)
    assert explained.reason_codes(matrix) == [["HAD_PAST_DEFAULT", "ANNUAL_INCOME_LOW", "CREDIT_SCORE_LOW", ""]]
    assert explained.contributions(matrix)[0, 3] < -0.5


def test_sampled_parts_do_not_depend_on_the_order_of_columns():
    names = [f"column {number:02}" for number in range(12)]
    columns = [Column(name=name, range=(-3, 3)) for name in names]
    weights = np.linspace(-1, 1, 12)

    def tangled(matrix):
        return 1 / (1 + np.exp(-(matrix @ weights + np.abs(matrix).max(axis=1))))

    rng = np.random.default_rng(0)
    matrix, order = rng.normal(size=(5, 12)), rng.permutation(12)
    back = np.argsort(order)
    baseline = dict.fromkeys(names, 0.0)
    straight = explainer_of({}, tangled, columns, names, baseline)
    shuffled = explainer_of({}, lambda each: tangled(each[:, back]), [columns[i] for i in order], names, baseline)
    assert shuffled.reason_codes(matrix[:, order]) == straight.reason_codes(matrix)
    found = shuffled.contributions(matrix[:, order])[:, back]
    np.testing.assert_allclose(found, straight.contributions(matrix), atol=1e-12)
