"""When a version had traffic, as decisions tell it."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tabular_model.lineage.served import periods
from tabular_model.rollouts import Split
from tests.tabular_model.lineage.decided import BEGAN, ONLY_V1, ROLLED_OUT, decided


def test_a_version_that_was_rolled_out_and_serves() -> None:
    (found,) = periods(ROLLED_OUT, "v2")
    assert (found.release, found.shares) == ("loans", (5, 50, 100))
    assert (found.since, found.until) == (BEGAN + timedelta(hours=1), None)
    assert found.began == "Advanced by ann@pod: no worse"
    assert found.ended == "not known: it had traffic at 2026-11-01 04:00 UTC, the last decision given"


def test_the_version_that_it_replaced_served_since_before_the_first_decision() -> None:
    (found,) = periods(ROLLED_OUT, "v1")
    assert found.shares == (100, 95, 50)
    assert (found.since, found.until) == (None, BEGAN + timedelta(hours=3))
    assert found.began == "not known: before 2026-11-01 00:00 UTC"
    assert found.ended == "Promoting by ann@pod: no worse"


def test_a_rolled_back_version_has_a_period_for_each_try_and_release() -> None:
    tried, with_traffic = Split("v1", "v2", 0), Split("v1", "v2", 5)
    tries = [
        decided(event, before, after, hours=hours, release=release)
        for release in ("loans", "cards")
        for hours, event, before, after in (
            (1, "Advanced", tried, with_traffic),
            (2, "RolledBack", with_traffic, tried),
            (3, "Advanced", tried, with_traffic),
            (4, "RolledBack", with_traffic, tried),
        )
    ]
    found = periods(tries, "v2")
    assert [each.release for each in found] == ["cards", "cards", "loans", "loans"]
    assert all(each.since and each.until and each.until - each.since == timedelta(hours=1) for each in found)


def test_a_version_that_never_had_traffic_never_served() -> None:
    assert periods([decided("Started", ONLY_V1, Split("v1", "v2", 0), hours=0)], "v2") == ()
    assert periods([], "v2") == ()


def test_a_change_that_no_decision_made_has_no_time() -> None:
    """Somebody set the values by hand between the decisions."""
    decisions = [
        decided("Settled", Split("v2", "v2", 100), Split("v2", "", 0), hours=1),
        decided("Started", Split("v9", "", 0), Split("v9", "v10", 0), hours=9),
        decided("Aborted", Split("v2", "v10", 0), Split("v2", "", 0), hours=12),
    ]
    first, second = periods(decisions, "v2")
    assert (first.until, first.ended) == (
        None,
        "not known: at 2026-11-01 09:00 UTC it had no traffic, and no decision took it",
    )
    assert (second.since, second.began) == (None, "not known: before 2026-11-01 12:00 UTC")


versions = st.sampled_from(["", "v1", "v2", "v3"])
splits = st.builds(Split, versions.filter(bool), versions, st.sampled_from([0, 5, 100])).map(
    lambda split: split if split.canary else Split(split.stable, "", 0)
)


@given(st.lists(splits, min_size=2, max_size=8), versions.filter(bool))
def test_where_every_change_is_decided_the_shares_at_each_time_are_those_decided(
    course: list[Split], version: str
) -> None:
    changes = pairwise(course)
    decisions = [decided("Changed", before, after, hours=n) for n, (before, after) in enumerate(changes)]
    found = periods(decisions, version)
    for each in decisions:
        running = [
            p for p in found if (p.since is None or p.since <= each.at) and (p.until is None or p.until > each.at)
        ]
        share = each.after.share(version)
        assert len(running) == (share > 0)
        assert all(share in p.shares for p in running)
    assert sum(each.since is None for each in found) == (course[0].share(version) > 0)
    assert sum(each.until is None for each in found) == (course[-1].share(version) > 0)
