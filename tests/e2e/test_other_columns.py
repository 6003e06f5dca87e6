"""A version with one column more, a category, takes the place of one without it, under load and without a failure."""

import json
import time

import pandas as pd
import pytest

from loan_model.synthetic import LOAN, generate
from tests.e2e.cluster import wait_for
from tests.e2e.gateway import Callers
from tests.e2e.rollouts import Workshop, rollout
from tests.e2e.test_release_on_a_claim import answers
from tests.e2e.test_rollout import VALUES, split

PURPOSES = ("car", "education", "home")
# Run in a pod with the registry: the loan with the column Purpose, which may be missing or not.
DECLARE = """
import sys
from pathlib import Path

import msgspec
import numpy as np

from loan_model.synthetic import LOAN, generate
from tabular_model.schema import Column

missing = sys.argv[1] == "nullable"
purpose = Column(name="Purpose", type="category", levels=("car", "education", "home"), missing=missing)
Path("/tmp/loan8.yaml").write_text(msgspec.structs.replace(LOAN, columns=(*LOAN.columns, purpose)).dump())
frame = generate(10_000, 0)  # as v1, so that few requests do not look like a shift of the scores
frame["Purpose"] = np.random.default_rng(0).choice(purpose.levels, len(frame))
frame.to_csv("/tmp/loan8.csv", index=False)
"""


def callers(purpose: bool) -> Callers:
    """With `purpose` they send the eighth column too."""
    rows = generate(500, 7)
    return Callers("loan", [_body(row, PURPOSES[place % 3] if purpose else "") for place, row in rows.iterrows()])


def _body(row: pd.Series, purpose: str) -> bytes:
    inputs = [
        {"name": name, "datatype": "FP64", "shape": [1], "data": [None if row[name] != row[name] else row[name]]}
        for name in LOAN.schema.names
    ]
    if purpose:
        inputs.append({"name": "Purpose", "datatype": "BYTES", "shape": [1], "data": [purpose]})
    return json.dumps({"inputs": inputs}).encode()


@pytest.fixture(scope="module", autouse=True)
def installed(release):
    release.install(*(word for name, value in VALUES.items() for word in ("--set", f"{name}={value}")))
    release.wait(f"job/{release.service}-training-initial", "condition=Complete")
    release.upgrade("--set", "stable.version=v1")
    release.wait(f"inferenceservice/{release.service}", "condition=Ready")
    wait_for(lambda: answers("v1"), 60, "the first prediction")


@pytest.fixture(scope="module")
def workshop(release, installed, images):
    made = Workshop(release, images.training)
    yield made
    made.remove()


def accepted() -> bool:
    """Whether an application with the eighth column is answered, however often it is asked."""
    with callers(purpose=True) as asking:
        time.sleep(3)
    return not asking.failed and asking.sent > 50


def train(workshop: Workshop, kind: str) -> str:
    """A version of the loan with the eighth column."""
    workshop.run("python", "-", kind, input=DECLARE)
    return workshop.train("--model", "/tmp/loan8.yaml", "--data", "/tmp/loan8.csv", "--algorithm", "gradient_boosting")


@pytest.mark.parametrize("kind", ["nullable", "required"])
def test_a_version_with_a_column_more_takes_all_traffic(release, workshop, figure, kind):
    """First for callers who know nothing of the new column; then for callers who send it, where it is required."""
    version = train(workshop, kind)
    if kind == "required":
        release.upgrade("--set", "stable.version=v1")
        wait_for(lambda: answers("v1"), 120, "the first version again")
        ended = rollout(release, "--to", version)
        assert ended.code == 1
        assert "Purpose is new and required" in ended.messages
        assert "LOAN_EXTRA_INPUTS=ignore" in ended.messages
        release.upgrade("--set", "serving.settings.LOAN_EXTRA_INPUTS=ignore")
        wait_for(accepted, 180, "all pods to ignore what they do not know")
    assert split(release) == ("v1", "", 0)
    with callers(purpose=kind == "required") as asking:
        wait_for(lambda: asking.sent > 100, 30, "load")
        ended = rollout(release, "--to", version)
        time.sleep(2)
    figure(f"v1 of 7 columns to 8, {kind}", f"{len(asking.failed)} of {asking.sent} failed; {ended.seconds:.0f} s")
    assert ended.code == 0, ended.messages
    assert not asking.failed
    assert asking.versions[version] > 100
    assert split(release) == (version, "", 0)
