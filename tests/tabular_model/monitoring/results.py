"""Results without a record, for tests of what is made of them."""

from datetime import UTC, date, datetime, timedelta

import numpy as np

from tabular_model.decisions.outcomes import Joined
from tabular_model.monitoring.limits import Limits
from tabular_model.monitoring.quality import Came
from tabular_model.monitoring.result import Monitored
from tabular_model.monitoring.watch import ASSUMPTIONS, Version, compared
from tabular_model.registry import Registry
from tests.tabular_model.monitoring.windows import applications, model

DAY = date(2026, 3, 31)


def result(registry, *, last=DAY, rows=800, outcomes=False):
    """Of one version in a window of 31 days."""
    version, of = Version.read(Registry.open(registry), "v2"), model(registry, "v2")
    matrix, good = applications(rows, last.month)
    scores = of.score(matrix)
    tally = version.counter.count(matrix, scores.probability, scores.decision, refused=3)
    came = Came(good, scores.probability, np.full(rows, "2026-01"), 1, 2) if outcomes else None
    return Monitored(
        model="loan",
        created=datetime(last.year, last.month, last.day, 1, tzinfo=UTC) + timedelta(days=1),
        record="files/records",
        first=last - timedelta(days=30),
        last=last,
        limits=Limits(),
        assumptions=ASSUMPTIONS,
        joined=Joined(outcomes=rows) if outcomes else None,
        versions=[compared(version, tally, came, Limits())],
    )
