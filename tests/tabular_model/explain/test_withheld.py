"""How often the reason that mattered most is not given."""

import msgspec
import numpy as np
import pytest

from tabular_model.explain import explainer
from tabular_model.explain.withheld import MOST, Withheld, withheld
from tabular_model.schema import Column

NAMES = ("age", "income", "postcode")
COLUMNS = tuple(Column(name=name, range=(-1, 1), protected=name == "age", proxy=name == "postcode") for name in NAMES)
ROWS = np.array([[-3, -1, 0], [0, -1, -2], [-1, -3, 0], [-2, 1, 0], [1, 1, 1]], dtype=float)


def found(
    matrix: np.ndarray, columns: tuple[Column, ...] = COLUMNS, features: tuple[str, ...] = NAMES
) -> Withheld | None:
    def score(rows: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-rows.sum(axis=1)))

    explained = explainer({}, score, columns, features, dict.fromkeys(NAMES, 0.0))
    return withheld(explained, columns, features, matrix, matrix.sum(axis=1) < 0)


def test_the_shares_are_those_of_the_rejected_rows() -> None:
    of_all = found(ROWS)
    assert of_all is not None
    assert (of_all.columns, of_all.rejected) == (("age", "postcode"), 4)
    assert of_all.lowered_most.value == 3 / 4  # all but the third, which its income lowered most
    assert of_all.without_reason.value == 1 / 4  # the fourth
    assert of_all.lowered_most.low is not None
    assert 0 < of_all.lowered_most.low < 3 / 4


def test_where_each_column_may_be_a_reason_nothing_is_measured() -> None:
    assert found(ROWS, features=("income",)) is None
    plain = tuple(msgspec.structs.replace(column, protected=False, proxy=False) for column in COLUMNS)
    assert found(ROWS, plain) is None


def test_where_none_is_rejected_there_is_no_share() -> None:
    none = found(ROWS[4:])
    assert none is not None
    assert (none.rejected, none.lowered_most.value) == (0, None)


@pytest.mark.parametrize("times", [1, 3])
def test_of_many_rows_every_kth_is_explained(times: int) -> None:
    many = found(np.tile(ROWS[:4], (times * MOST // 4, 1)))
    assert many is not None
    assert many.rejected == MOST
