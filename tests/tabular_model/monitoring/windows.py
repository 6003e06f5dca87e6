"""Windows of synthetic applications, as a version decides them, for tests of what is found in them."""

from datetime import UTC, datetime

import numpy as np

from loan_model.synthetic import LOAN, generate
from tabular_model.decisions.made import Decided
from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tests.tabular_model.decisions.decided import closed, writing, written

MONTHS = (1, 2, 3)
ROWS = 2000


def model(registry, version="v1"):
    return TabularModel.from_registry(Registry.open(registry), version)


def applications(rows, seed, change=lambda frame: frame):
    """The matrix of applications, and whether each would be good; their age has no part in it."""
    frame = generate(rows, 1000 + seed)
    good = frame.pop(LOAN.target.name).to_numpy()
    frame["Age"] = np.random.default_rng(seed).permutation(frame["Age"])
    return change(frame).to_numpy(np.float64), good


def lower_credit_score(frame):
    return frame.assign(Credit_Score=(frame["Credit_Score"] - 80).clip(lower=300))


def record(root, of, *, changed=()):
    """A record of `MONTHS`, of which some are changed, its protected columns, and the outcomes of those approved."""
    writer = writing(root / "records", protected=root / "protected")
    lines = ["id,outcome,date"]
    for month in MONTHS:
        matrix, good = applications(ROWS, month, lower_credit_score if month in changed else lambda frame: frame)
        ids = [f"{month}-{row}" for row in range(ROWS)]
        scores = of.score(matrix)
        written(writer, Decided(of.manifest, datetime(2026, month, 15, tzinfo=UTC), "", ids, matrix, scores))
        lines += [f"{ids[row]},{good[row]},2026-11-01" for row in np.flatnonzero(scores.decision)]
    closed(writer)
    (root / "outcomes.csv").write_text("\n".join(lines) + "\n")
