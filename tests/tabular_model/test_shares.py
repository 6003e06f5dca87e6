from hypothesis import given, settings
from hypothesis import strategies as st

from tabular_model.shares import Count, share_interval

counts = st.integers(1, 5000).flatmap(lambda rows: st.builds(Count, st.integers(0, rows), st.just(rows)))


@given(counts)
@settings(max_examples=20)
def test_a_share_lies_in_its_interval(count: Count) -> None:
    found = share_interval(count)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value <= found.high + 1e-12 <= 1 + 1e-9


def test_of_no_rows_there_is_no_share() -> None:
    assert share_interval(Count(0, 0)).value is None
