"""Regressions from sums over parts of the rows are those of all rows in memory."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from loan_model.synthetic import LOAN, generate
from tabular_model.errors import ModelError
from tabular_model.estimators import logistic, probability, scorecard
from tabular_model.estimators.newton import regress
from tabular_model.parameters import LogisticParameters, ScorecardParameters
from tabular_model.schema import Schema
from tabular_model.totals import added
from tests import second_model

Data = tuple[Schema, pd.DataFrame, np.ndarray]


def loan() -> Data:
    rows = generate(3000, 0)
    return LOAN.schema, rows[list(LOAN.schema.names)].astype(float), rows["Loan_Approval"].to_numpy(np.int64)


def words() -> Data:
    declared = second_model.DECLARATION
    rows = second_model.generate(3000)
    columns: dict[str, Any] = {}
    for column in declared.columns:
        values = rows[column.name]
        if column.type == "category":
            values = values.map({level: code for code, level in enumerate(column.levels)})
        if column.type == "boolean":
            values = values.map({"yes": 1, "no": 0})
        columns[column.name] = values.astype(float)
    return declared.schema, pd.DataFrame(columns), (rows["outcome"] == "good").to_numpy(np.int64)


def in_parts(frame: pd.DataFrame, target: np.ndarray) -> Callable[[Any], Any]:
    matrix = frame.to_numpy()

    def total(of: Any) -> Any:
        return added(of(matrix[start : start + 700], target[start : start + 700]) for start in range(0, 3000, 700))

    return total


@pytest.mark.parametrize("data", [loan, words])
@pytest.mark.parametrize("given", [{}, {"class_weight": "balanced", "C": 0.1}])
def test_a_logistic_regression_is_that_of_memory(data: Callable[[], Data], given: dict[str, Any]) -> None:
    schema, frame, target = data()
    parameters = LogisticParameters(**given)
    pipeline = logistic.build(schema, schema.names, parameters, 0)
    whole = probability(pipeline.fit(frame, target), frame)
    sample = logistic.build(schema, schema.names, parameters, 0).fit(frame[:500], target[:500])
    assert probability(logistic.fit_to_all(sample, in_parts(frame, target)), frame) == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("data", [loan, words])
def test_a_scorecard_is_that_of_memory(data: Callable[[], Data], monkeypatch: pytest.MonkeyPatch) -> None:
    schema, frame, target = data()
    whole = scorecard.build(schema, schema.names, ScorecardParameters(), 0).fit(frame, target)
    sample = scorecard.build(schema, schema.names, ScorecardParameters(), 0).fit(frame[:500], target[:500])
    total, rows = in_parts(frame, target), frame.to_numpy()
    found = scorecard.fit_to_all(sample, total, len(frame), rows)
    assert probability(found, frame) == pytest.approx(probability(whole, frame), abs=1e-6)
    counted = found["model"].binnings_[0]
    assert counted.approved.sum() + counted.rejected.sum() == len(frame)
    # With more rows, columns of many values are cut at quantiles, which moves a cut by a value or two.
    monkeypatch.setattr(scorecard, "MOST_COUNTED", 100)
    monkeypatch.setattr(scorecard, "MOST_VALUES", 500)
    near = scorecard.fit_to_all(sample, total, len(frame), rows)
    assert np.mean(np.abs(probability(near, frame) - probability(whole, frame))) < 0.01


def test_a_regression_that_does_not_settle_is_said() -> None:
    schema, frame, target = loan()
    pipeline = logistic.build(schema, schema.names, LogisticParameters(), 0).fit(frame, target)
    columns = logistic.OfMatrix(pipeline["columns"])
    with pytest.raises(ModelError, match="did not settle within 2 passes over the rows; raise max_iter or lower C"):
        regress(in_parts(frame, target), columns, np.zeros(8), 1.0, 2)
