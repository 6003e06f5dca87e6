"""How often `loan monitor` finds planted changes, and how often it finds some where there are none.

Windows are drawn from the synthetic data, whose truth is known, and changed in one way each. Evidently's default tests
of drift look at the same windows. All windows are held against one version, as a lender's are.
"""

import json
import subprocess
import tempfile
from collections import Counter as Counts
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from benchmarks.servers import PEERS, Server, install
from loan_model.synthetic import LOAN, generate
from tabular_model import metrics
from tabular_model.model import TabularModel
from tabular_model.monitoring import quality
from tabular_model.monitoring.findings import Check, Outcome
from tabular_model.monitoring.limits import Limits
from tabular_model.monitoring.quality import Came
from tabular_model.monitoring.watch import Version, compared
from tabular_model.registry import Registry

EVIDENTLY = Server("evidently", ("evidently==0.7.23", "pandas<3", "pyarrow"), "")
SIZES = (1_000, 10_000, 100_000)
RUNS = 200
TRAINED = (10_000, 1_000)  # rows of data, with seed 0, that a version was trained on
FIRST_SEED = 1_000_000
AGE, SCORE, MONTH = "Age", "score", "2026-11"
NOTHING, ALIKE = "nothing: any alarm", "groups alike: an alarm of fairness"
OURS, UNSURE, THEIRS = "loan monitor", "too little data to tell", "Evidently"
BY = {OURS: Outcome.found, UNSURE: Outcome.unsure}

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Window(NamedTuple):
    """Applications, what the version answers, and what would become of each if it is approved."""

    frame: pd.DataFrame
    probability: Floats
    decision: Integers
    good: Integers


class Change(NamedTuple):
    """What is planted: in the applications, or in a window that was scored."""

    applications: Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame] | None = None
    scored: Callable[[Window, np.random.Generator], Window] | None = None


class Sought(NamedTuple):
    """What is to be found of a change, and the column of Evidently's that shows it, empty if its tests see none."""

    title: str
    change: str
    check: Check
    subject: str
    column: str = ""


def lower_credit_score(points: int) -> Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]:
    return lambda frame, _: frame.assign(Credit_Score=(frame["Credit_Score"] - points).clip(lower=300))


def some(frame: pd.DataFrame, column: str, share: float, value: object, rng: np.random.Generator) -> pd.DataFrame:
    return frame.assign(**{column: frame[column].mask(rng.random(len(frame)) < share, value)})


def fewer_young(window: Window, rng: np.random.Generator) -> Window:
    """Three of ten applicants below 25 who would be approved are rejected."""
    refused = (window.frame[AGE] < 25).to_numpy() & (rng.random(len(window.frame)) < 0.3)
    return window._replace(decision=np.where(refused, 0, window.decision))


def fewer_good(window: Window, rng: np.random.Generator) -> Window:
    """Six of a hundred good outcomes are bad: five points less."""
    return window._replace(good=np.where(rng.random(len(window.good)) < 0.06, 0, window.good))


CHANGES = {
    "a little": Change(lower_credit_score(15)),
    "much": Change(lower_credit_score(65)),
    "missing": Change(lambda frame, rng: some(frame, "Credit_Score", 0.05, np.nan, rng)),
    "unit": Change(lambda frame, rng: some(frame, "Annual_Income", 0.05, frame["Annual_Income"] / 1000, rng)),
    "unfair": Change(scored=fewer_young),
    "outcomes": Change(scored=fewer_good),
}
SOUGHT = (
    Sought("credit score 15 points lower", "a little", Check.drift, "Credit_Score", "Credit_Score"),
    Sought("credit score 65 points lower", "much", Check.drift, "Credit_Score", "Credit_Score"),
    Sought("the score after that", "much", Check.score_drift, SCORE, SCORE),
    Sought("credit score missing in 5 % more", "missing", Check.missing, "Credit_Score", "Credit_Score"),
    Sought("5 % of incomes in thousands", "unit", Check.out_of_range, "Annual_Income", "Annual_Income"),
    Sought("below 25 approved 0.7 times as often", "unfair", Check.adverse_impact, "Age: below 25"),
    Sought("5 points fewer good outcomes", "outcomes", Check.calibration, MONTH),
)


class Watcher(NamedTuple):
    """A version, and the data that it was trained on with its scores."""

    model: TabularModel
    version: Version
    trained: pd.DataFrame

    @classmethod
    def of(cls, registry: Path, rows: int) -> Self:
        opened = Registry.open(registry)
        model = TabularModel.from_registry(opened, "v1")
        frame = generate(rows, seed=0)[list(LOAN.schema.names)]
        scored = frame.assign(score=model.score(frame.to_numpy(np.float64)).probability)
        return cls(model, Version.read(opened, "v1"), scored)

    def null(self, rows: int, run: int) -> Window:
        """A window of another seed in which nothing changed, and age has no part in anything."""
        frame = generate(rows, seed=FIRST_SEED + rows + run)
        good = frame.pop(LOAN.target.name).to_numpy()
        frame[AGE] = np.random.default_rng(run).permutation(frame[AGE])
        return self._scored(frame, good)

    def changed(self, null: Window, change: Change, run: int) -> Window:
        """The same window with something planted."""
        rng = np.random.default_rng(run)
        if change.applications:
            return self._scored(change.applications(null.frame, rng), null.good)
        return change.scored(null, rng) if change.scored else null

    def _scored(self, frame: pd.DataFrame, good: Integers) -> Window:
        scores = self.model.score(frame.to_numpy(np.float64))
        return Window(frame, scores.probability, scores.decision, good)

    def findings(self, window: Window, with_outcomes: bool = True) -> dict[Outcome, set[tuple[Check, str]]]:
        """What is found, what cannot be told, and what is fine."""
        counter = self.version.counter
        tally = counter.count(window.frame.to_numpy(np.float64), window.probability, window.decision)
        approved = window.decision == 1
        month = np.full(int(approved.sum()), MONTH)
        outcomes = Came(window.good[approved], window.probability[approved], month, 0, 0)
        found = compared(self.version, tally, outcomes if with_outcomes else None, Limits())
        return {outcome: {(each.check, each.subject) for each in found.having(outcome)} for outcome in Outcome}


class Evidently:
    """Evidently in a process of its own, in the environment that has it."""

    def __init__(self, reference: pd.DataFrame, folder: Path) -> None:
        folder.mkdir()
        self._window = folder / "window.parquet"
        reference.to_parquet(folder / "reference.parquet")
        command = [EVIDENTLY.home / "bin/python", PEERS / "evidently_drift.py", folder / "reference.parquet"]
        environment = {"DO_NOT_TRACK": "1"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def drifted(self, window: Window, columns: Sequence[str] = (*LOAN.schema.names, SCORE)) -> set[str]:
        """Those of the columns that it takes as drifted."""
        window.frame.assign(score=window.probability)[list(columns)].to_parquet(self._window)
        assert self._process.stdin
        assert self._process.stdout
        print(self._window, file=self._process.stdin, flush=True)
        return set(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def table(registry: Path, few: Path) -> str:
    """Markdown, of a version trained on `TRAINED[0]` rows, and false alarms of one on `TRAINED[1]` too; an hour."""
    install(EVIDENTLY)
    metrics.RESAMPLES = 2  # the tests do not depend on the bootstrap's intervals
    quality.SIMULATIONS = 100  # they need the standard error of an AUC to a tenth
    counts: Counts[tuple[str, str, int]] = Counts()
    with tempfile.TemporaryDirectory() as folder:
        for trained, root in zip(TRAINED, (registry, few), strict=True):
            watcher = Watcher.of(root, trained)
            with closing(Evidently(watcher.trained, Path(folder) / str(trained))) as evidently:
                for rows in SIZES:
                    for run in track(range(RUNS), f"trained on {trained}, {rows} rows", console=Console(stderr=True)):
                        null = watcher.null(rows, run)
                        alarms = _alarms(watcher, evidently, null)
                        counts.update((f"{alarm}, trained on {trained:,} rows", by, rows) for alarm, by in alarms)
                        if trained == TRAINED[0]:
                            counts.update((*found, rows) for found in _found(watcher, evidently, null, run))
    lines = [
        f"| planted | by | {' | '.join(f'{rows:,} rows' for rows in SIZES)} |",
        f"| --- | --- |{' --- |' * len(SIZES)}",
    ]
    for title, by in _every():
        shares = " | ".join(f"{counts[title, by, rows] / RUNS:.1%}" for rows in SIZES)
        lines.append(f"| {title} | {by} | {shares} |")
    return "\n".join(lines)


def _alarms(watcher: Watcher, evidently: Evidently, null: Window) -> Iterator[tuple[str, str]]:
    """The alarms on a window in which nothing was planted."""
    checks = {check for check, _ in watcher.findings(null)[Outcome.found]}
    if checks - {Check.adverse_impact}:
        yield NOTHING, OURS
    if Check.adverse_impact in checks:
        yield ALIKE, OURS
    if evidently.drifted(null):
        yield NOTHING, THEIRS


def _found(watcher: Watcher, evidently: Evidently, null: Window, run: int) -> Iterator[tuple[str, str]]:
    """What is found of what was planted."""
    for name, change in CHANGES.items():
        window = watcher.changed(null, change, run)
        findings = watcher.findings(window, with_outcomes=name == "outcomes")
        columns = [sought.column for sought in SOUGHT if sought.change == name and sought.column]
        drifted = evidently.drifted(window, columns)
        for sought in SOUGHT:
            if sought.change == name:
                wanted = (sought.check, sought.subject)
                yield from ((sought.title, by) for by, of in BY.items() if wanted in findings[of])
                if sought.column in drifted:
                    yield sought.title, THEIRS


def _every() -> Iterator[tuple[str, str]]:
    """The rows of the table."""
    for rows in TRAINED:
        titles = ((NOTHING, OURS), (ALIKE, OURS), (NOTHING, THEIRS))
        yield from ((f"{title}, trained on {rows:,} rows", by) for title, by in titles)
    for sought in SOUGHT:
        yield from ((sought.title, by) for by in BY)
        if sought.column:
            yield sought.title, THEIRS
