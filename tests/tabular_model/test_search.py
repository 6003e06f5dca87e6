"""A search among settings: what was tried, and how sure its choice is."""

import numpy as np
import pytest

from loan_model.synthetic import LOAN, generate
from tabular_model.errors import ModelError
from tabular_model.estimators import FAMILIES
from tabular_model.metrics import Estimate
from tabular_model.parameters import PARAMETERS
from tabular_model.search import SPACES, Search, Tried, halving

FRAME = generate(1500)
ROWS, TARGET = FRAME[list(LOAN.schema.names)], FRAME[LOAN.target.name].to_numpy()


def search(algorithm: str, settings: int, given: tuple[str, ...] = (), **parameters: object) -> Search:
    built = FAMILIES[algorithm].build(LOAN.schema, LOAN.schema.features(), PARAMETERS[algorithm](**parameters), 0)
    return halving(algorithm, built, given, settings, ROWS, TARGET, 0, None)


def test_it_tries_so_many_settings_the_better_ones_on_more_rows() -> None:
    found = search("scorecard", 12)
    assert len(found.tried) == 12
    assert all(set(each.parameters) == set(SPACES["scorecard"]) for each in found.tried)
    rows = [each.rows for each in found.tried]
    assert rows == sorted(rows, reverse=True)
    assert (rows[0], rows[-1]) == (1500, 500)
    finalists = [each.log_loss for each in found.tried if each.rows == rows[0]]
    assert found.tried[0].log_loss == min(finalists)


def test_a_setting_that_is_surely_better_is_taken() -> None:
    found = search("logistic", 11, C=1e-6)
    assert found.better
    taken = found.applied(PARAMETERS["logistic"](C=1e-6))
    assert found.tried[0].parameters["C"] == taken.C
    assert "it is used" in found.said()


def test_one_that_may_be_better_by_chance_is_not() -> None:
    found = search("logistic", 3)
    assert not found.better
    assert "that may be chance" in found.said()


def test_a_parameter_that_was_given_is_not_searched() -> None:
    found = search("scorecard", 4, given=("max_bins",))
    assert all("max_bins" not in each.parameters for each in found.tried)
    with pytest.raises(ModelError, match="There is nothing to search:"):
        search("logistic", 4, given=("C",))


def test_rows_of_a_group_stay_together() -> None:
    groups = np.repeat(np.arange(750), 2)
    built = FAMILIES["logistic"].build(LOAN.schema, LOAN.schema.features(), PARAMETERS["logistic"](), 0)
    assert halving("logistic", built, (), 3, ROWS, TARGET, 0, groups).tried


def test_the_spaces_are_of_values_that_may_be_set() -> None:
    for algorithm, space in SPACES.items():
        for name, values in space.items():
            for value in values:
                PARAMETERS[algorithm](**{name: value})


def test_it_is_recorded_as_it_is_said() -> None:
    found = Search("logistic", (Tried({"C": 0.1}, 900, 0.5),), Estimate(-0.01, -0.02, -0.001))
    assert found.said() == (
        "Of 1 settings of logistic the best is C 0.1: its log loss differs by -0.0100 "
        "(95 % interval -0.0200 to -0.0010); it is used."
    )
