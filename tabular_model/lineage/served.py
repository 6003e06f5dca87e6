"""When which releases served a version, from the decisions of rollouts."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby

import msgspec

from tabular_model.rollouts import Decision


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which a release gave a version traffic: its `shares` in percent, in order.

    `since` or `until` is None where no decision tells it; `began` and `ended` are sentences on both.
    """

    release: str
    since: datetime | None
    until: datetime | None
    shares: tuple[int, ...]
    began: str
    ended: str


def periods(decisions: Iterable[Decision], version: str) -> tuple[Period, ...]:
    """By release, and then by time."""
    ordered = sorted(decisions, key=lambda each: (each.release, each.at))
    by_release = groupby(ordered, key=lambda each: each.release)
    return tuple(period for _, made in by_release for period in _of_one(list(made), version))


def _of_one(decisions: list[Decision], version: str) -> Iterator[Period]:
    """A share that a decision found and the one before it did not leave was changed by something else, at some time."""
    running: Period | None = None
    for each in decisions:
        before, after = each.before.share(version), each.after.share(version)
        if running and not before:
            yield _ended(running, None, f"not known: at {time(each.at)} it had no traffic, and no decision took it")
            running = None
        if before:
            running = _with(running, before) or _began(each, None, before, f"not known: before {time(each.at)}")
        if after:
            running = _with(running, after) or _began(each, each.at, after, _said(each))
        elif running:
            yield _ended(running, each.at, _said(each))
            running = None
    if running:
        yield _ended(running, None, f"not known: it had traffic at {time(decisions[-1].at)}, the last decision given")


def _began(decision: Decision, since: datetime | None, share: int, said: str) -> Period:
    return Period(release=decision.release, since=since, until=None, shares=(share,), began=said, ended="")


def _with(running: Period | None, share: int) -> Period | None:
    """The period with one more share, unless it has that already."""
    if running is None or running.shares[-1] == share:
        return running
    return msgspec.structs.replace(running, shares=(*running.shares, share))


def _ended(running: Period, until: datetime | None, said: str) -> Period:
    return msgspec.structs.replace(running, until=until, ended=said)


def _said(decision: Decision) -> str:
    return f"{decision.event} by {decision.who}: {decision.why}"


def time(at: datetime | None) -> str:
    """To the minute; None is a time that is not known."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "not known"
