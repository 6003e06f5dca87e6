"""Decisions without a model, for tests of how they are kept."""

from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from tabular_model.decisions.made import Decided, Refused
from tabular_model.decisions.records import Records
from tabular_model.decisions.store import open_store
from tabular_model.decisions.writer import Writer
from tabular_model.model import Scores
from tests.tabular_model.versions import manifest

DAY = datetime(2026, 11, 29, tzinfo=UTC)
V1, V2 = (manifest(version, {}) for version in ("v1", "v2"))
EU = msgspec.structs.replace(V1, law=("eu",))
APPLICATION = [41.0, 82000.0, np.nan, 15000.0, 5.0, 3.0, 0.0]


def decided(*ids, of=V1, at=DAY, probability=0.5, **more):
    matrix = np.array([APPLICATION] * len(ids))
    scores = Scores(np.full(len(ids), probability), np.ones(len(ids), np.int64))
    return Decided(of, at, "", list(ids), matrix, scores, **more)


def refused(why, of=V1, at=DAY):
    return Refused(of, at, "r-1", 400, why)


def writing(root, name="pod", protected="", signer=None):
    beside = open_store(str(protected), create=True) if protected else None
    return Writer(open_store(str(root), create=True), beside, name, signer)


def written(writer, *decisions):
    """A part of these decisions; gives the number of rows."""
    writer.add(decisions)
    writer.cut()
    return sum(writer.write())


def closed(writer):
    writer.close()
    return sum(writer.write())


def recorded(root):
    return Records.open(str(root))


def days(count):
    return timedelta(days=count)


def two_days(root):
    """A record of two days and two versions; gives its folder."""
    writer = writing(root)
    written(writer, decided("a"), decided("b", of=V2, reasons=[["X", "Y"]]))
    written(writer, decided("c", at=DAY + days(1)))
    closed(writer)
    return root
