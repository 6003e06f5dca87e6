"""Goes over the record part by part, counts, and says what was found."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tabular_model.data import Rows
from tabular_model.decisions import parts
from tabular_model.decisions.applications import matrix_of
from tabular_model.decisions.links import Link, Place
from tabular_model.decisions.made import APPLICATION
from tabular_model.decisions.outcomes import Joined, join
from tabular_model.decisions.records import Records
from tabular_model.errors import DataError, IntegrityError, RecordError
from tabular_model.monitoring.drift import drift, seen, shifted
from tabular_model.monitoring.fairness import fairness
from tabular_model.monitoring.findings import Check, Checked, corrected
from tabular_model.monitoring.limits import Limits
from tabular_model.monitoring.quality import Came, came, quality
from tabular_model.monitoring.rejects import decided
from tabular_model.monitoring.result import Monitored, VersionMonitored
from tabular_model.monitoring.tally import Counter, Tally
from tabular_model.reference import FILE, Reference
from tabular_model.registry import Registry
from tabular_model.results import FILE as METRICS
from tabular_model.results import Results
from tabular_model.schema import Target
from tabular_model.shares import Count, share_interval

ASSUMPTIONS = [
    "Reject inference: none is made. Outcomes exist only for applications that were approved, and do not tell what the "
    "rejected ones would have done. How far AUC and threshold depend on it is stated for odds of the rejected to be "
    "bad that are 1, 2 and 3 times those of their probabilities, which are assumptions and not findings.",
    "Outcomes that have not come are taken to be like those of the same vintage that have: where bad ones come sooner "
    "than good ones, a young vintage looks worse than it is.",
    "The reference of columns and score is the rows that the version was trained on, whose scores a model fits "
    "slightly better than those of others.",
    "Groups are compared by how often they are approved, whatever else they differ in.",
]
_READ = ["record", "probability", "decision", APPLICATION]


class Given(NamedTuple):
    """Outcomes, and the words for good and bad ones; none for those of the version's own target."""

    rows: Rows
    good: Sequence[str] = ()
    bad: Sequence[str] = ()

    def words(self, target: Target) -> tuple[Sequence[str], Sequence[str]]:
        """Of good outcomes, and of bad ones."""
        return self.good or [target.approved], self.bad or [target.rejected]


class Sources(NamedTuple):
    """Where decisions, the protected columns beside them and the versions are; the second may be None."""

    records: Records
    protected: Records | None
    registry: Registry


class Version(NamedTuple):
    """A version to compare with: what counts by its reference, and the results of its training."""

    counter: Counter
    results: Results

    @classmethod
    def read(cls, registry: Registry, name: str) -> "Version":
        """VersionNotFound if there is none; IntegrityError if it is not as it was published."""
        manifest = registry.manifest(name)
        try:
            reference = Reference.decode(registry.read(name, FILE))
            return cls(Counter(manifest, reference), Results.decode(registry.read(name, METRICS)))
        except msgspec.DecodeError as error:
            raise IntegrityError(f"{name} has no reference or no metrics to compare with: {error}.") from error


def monitor(sources: Sources, first: date, last: date, limits: Limits, given: Given | None = None) -> Monitored:
    """What is found from one day to another, both included; outcomes are of all decisions until the last day.

    Memory is that of one part of the record, and of the outcomes. RecordError if nothing was decided or a part is not
    as it was; VersionNotFound and IntegrityError where a version is not; DataError for outcomes that cannot be used.
    """
    watched: dict[str, Version] = {}
    tallies: dict[str, Tally] = {}
    for place, link, table, beside in _parts(sources, first, last):
        version = watched.get(place.version) or Version.read(sources.registry, place.version)
        watched[place.version] = version
        link.check(version.counter.manifest, sources.registry.url)
        tally = _tally(version.counter, table, beside)
        before = tallies.get(place.version)
        tallies[place.version] = before + tally if before else tally
    if not tallies:
        raise RecordError(f"The record {sources.records.store.url} has no decisions from {first} to {last}.")
    outcomes, joined = _outcomes(sources.records, last, given, watched)
    versions = sorted(tallies, key=lambda name: int(name[1:]))
    return Monitored(
        model=watched[versions[-1]].counter.manifest.model,
        created=datetime.now(UTC),
        record=sources.records.store.url,
        first=first,
        last=last,
        limits=limits,
        assumptions=ASSUMPTIONS,
        joined=joined,
        versions=[compared(watched[name], tallies[name], outcomes.get(name), limits) for name in versions],
    )


def _parts(sources: Sources, first: date, last: date) -> Iterator[tuple[Place, Link, pa.Table, pa.Table | None]]:
    for day in sources.records.days(first, last):
        for place in sources.records.parts(day):
            link, table = parts.decode(sources.records.read(place.name), place.name, _READ)
            yield place, link, table, _beside(sources.protected, place, link, table)


def _beside(protected: Records | None, place: Place, link: Link, table: pa.Table) -> pa.Table | None:
    """The protected columns of the same rows, None where they were not recorded."""
    if not (protected and link.protected):
        return None
    beside = parts.decode_columns(protected.read(place.name), place.name, ["record", APPLICATION])
    if not beside["record"].equals(table["record"]):
        raise RecordError(f"{place.name} in {protected.store.url} does not have the rows beside it.")
    return beside


def _tally(counter: Counter, table: pa.Table, beside: pa.Table | None) -> Tally:
    answered = pc.is_valid(table["probability"])
    tables = [
        each.filter(answered) for each in (table, beside) if each is not None and APPLICATION in each.column_names
    ]
    decided = table.filter(answered)
    matrix = matrix_of(counter.manifest, [each[APPLICATION].combine_chunks() for each in tables])
    probability, decision = (decided[name].to_numpy() for name in ("probability", "decision"))
    absent = counter.manifest.protected if beside is None else ()
    return counter.count(matrix, probability, decision, absent, table.num_rows - decided.num_rows)


def _outcomes(
    records: Records, last: date, given: Given | None, watched: dict[str, Version]
) -> tuple[dict[str, Came], Joined | None]:
    """The outcomes of each version that has any."""
    if given is None:
        return {}, None
    table, joined = join(given.rows, records, None, last)
    found: dict[str, Came] = {}
    words: dict[str, None] = {}
    for name, version in watched.items():
        good, bad = given.words(version.counter.manifest.target)
        words |= dict.fromkeys((*good, *bad))
        found[name] = came(table.filter(pc.equal(table["version"], name)), good, bad)
    judged = {name: each for name, each in found.items() if len(each.good)}
    other = sum(each.other for each in found.values())
    if other and not judged:
        raise DataError(
            f"None of the {other} outcomes is {' or '.join(words)}: name the good and the bad ones by --good and --bad."
        )
    everyone = decided(records, {name: np.unique(each.month).tolist() for name, each in judged.items()}, last)
    return {name: each._replace(decided=everyone.get(name)) for name, each in judged.items()}, joined


def compared(version: Version, tally: Tally, outcomes: Came | None, limits: Limits) -> VersionMonitored:
    """What is found of one version; `outcomes` are one or more, or None."""
    counter, results = version
    columns, score = seen(counter, tally)
    groups, of_groups = fairness(counter, tally, limits)
    tests = [*drift(counter, tally, limits), _approval(tally, results, limits), *of_groups]
    not_judged = {}
    if not groups:
        not_judged[Check.adverse_impact] = (
            "The protected columns were not recorded, or the place of their record was not given."
        )
    became = None
    if outcomes:
        became, of_outcomes = quality(outcomes, results.holdout, limits)
        tests += of_outcomes
    else:
        not_judged |= dict.fromkeys((Check.discrimination, Check.calibration), "No outcomes have come.")
    return VersionMonitored(
        version=counter.manifest.version,
        rows=tally.rows,
        refused=tally.refused,
        approval_rate=share_interval(Count(tally.approved, tally.rows)),
        score=score,
        columns=columns,
        groups=groups,
        outcomes=became,
        findings=corrected(tests, limits.significance),
        not_judged=not_judged,
    )


def _approval(tally: Tally, results: Results, limits: Limits) -> Checked:
    held = results.decisions
    approved = Count(held.true_approvals + held.false_approvals, results.holdout.rows)
    words = "are {} of the applications, and were {} of the holdout."
    found = Count(tally.approved, tally.rows)
    return shifted(Check.approval, "approvals", approved, found, limits.approval, words)
