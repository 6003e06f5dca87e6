import numpy as np
import pytest

from tabular_model.errors import DataError
from training_job.out_of_core.survey import Days


def days(*rows: int) -> Days:
    return Days(np.datetime64("2024-01-01") + np.arange(len(rows)), np.array(rows))


@pytest.mark.parametrize(
    ("rows", "first"), [((10, 10, 10, 10), "2024-01-04"), ((10, 90), "2024-01-02"), ((1,) * 100, "2024-03-16")]
)
def test_the_newest_days_are_held_out(rows: tuple[int, ...], first: str) -> None:
    assert days(*rows).newest(0.25) == np.datetime64(first)


@pytest.mark.parametrize("rows", [(10,), (90, 10)])
def test_days_of_which_none_is_older_are_refused(rows: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="The oldest day has too many rows: none would be older than the holdout"):
        days(*rows).newest(0.25)


def test_days_of_parts_are_those_of_all() -> None:
    both = days(3, 2) + Days(np.array(["2023-12-31", "2024-01-02"], "datetime64[D]"), np.array([1, 5]))
    assert both.days.astype(str).tolist() == ["2023-12-31", "2024-01-01", "2024-01-02"]
    assert both.rows.tolist() == [1, 3, 7]
    assert both.starts(2).astype(str).tolist() == ["2023-12-31", "2024-01-02"]
    assert both.since(np.datetime64("2024-01-01")).rows.tolist() == [3, 7]
