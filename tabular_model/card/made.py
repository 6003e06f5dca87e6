"""Sections on what the model is for, and what it was made of and how."""

from collections.abc import Iterator

from msgspec import UNSET

from tabular_model.card.document import Block, Section, Table, Text
from tabular_model.card.subject import Subject
from tabular_model.page import estimate, interval, number, share
from tabular_model.parameters import OWN
from tabular_model.schema import Column

_DIRECTIONS = {"up": "rises", "down": "falls", None: "either"}
_KEEPING = ("gradient_boosting", "scorecard")  # the algorithms that keep to a column's direction
_LAWS = {"eu": "of the European Union"}


def sections(subject: Subject) -> Iterator[Section]:
    """Purpose, data, columns and algorithm."""
    yield Section("Purpose", list(_purpose(subject)))
    yield Section("Data", list(_data(subject)))
    yield Section("Columns", list(_columns(subject)))
    yield Section("Algorithm and parameters", list(_algorithm(subject)))


def _purpose(subject: Subject) -> Iterator[Block]:
    manifest = subject.manifest
    target, laws = manifest.target, () if manifest.law is UNSET else manifest.law
    yield Text(
        f"The model {manifest.model} gives each application the probability that {target.name} is {target.approved} "
        f"and not {target.rejected}. An application with a probability of at least {manifest.threshold:g} is approved."
    )
    yield Text(
        "The declaration names the law that applies: " + ", ".join(_LAWS[law] for law in laws) + "."
        if laws
        else "The declaration names no law that applies."
    )
    yield Text(
        "The files of a version do not say for which product and applicants the model is meant, or who decides with "
        "it: the lender has to add that."
    )


def _data(subject: Subject) -> Iterator[Block]:
    manifest, quality = subject.manifest, subject.results.holdout
    data = manifest.data
    rule = "the newest rows" if data.time else "drawn by chance"
    together = f"; all rows with the same {data.group} are on one side" if data.group else ""
    yield Table(
        (),
        [
            ("Source", data.source),
            ("Rows", number(data.rows)),
            ("Fingerprint (sha256)", data.sha256),
            ("Holdout", f"{number(quality.rows)} rows, {share(data.holdout)} of all, {rule}{together}"),
            ("Approved, of the holdout", share(quality.approved)),
            ("Notes of the training", " ".join(subject.results.notes) or "none"),
        ],
        words=True,
    )
    yield Text(
        "The period that the data are of, how they were collected and whom they leave out are not recorded in a "
        "version."
    )


def _columns(subject: Subject) -> Iterator[Block]:
    manifest = subject.manifest
    yield Table(
        ("Column", "Type", "Values", "Missing in training", "As it grows, approval", "Protected", "Trained on"),
        [
            (
                column.name,
                column.type,
                column.expected(),
                _missing(subject, column),
                "–" if column.type == "category" else _DIRECTIONS[column.direction],
                "yes" if column.protected else "no",
                "yes" if column.name in manifest.features else "no",
            )
            for column in manifest.schema
        ],
        words=True,
    )
    if any(column.direction for column in subject.trained):
        keeps = manifest.algorithm in _KEEPING
        yield Text(
            f"{manifest.algorithm} was made to keep to these directions."
            if keeps
            else f"The directions are those declared; {manifest.algorithm} was not made to keep to them."
        )
    if subject.protected_and_trained:
        yield Text(
            f"Trained on although protected, by explicit choice: {', '.join(subject.protected_and_trained)}. The "
            "reason for the choice is not recorded."
        )


def _missing(subject: Subject, column: Column) -> str:
    found = subject.reference.columns.get(column.name)
    return share(found.missing) if found else "–"


def _algorithm(subject: Subject) -> Iterator[Block]:
    manifest, results = subject.manifest, subject.results
    compiled = results.compiled
    named = "a custom pipeline, kept as pipeline.py" if manifest.algorithm == OWN else manifest.algorithm
    yield Table(
        (),
        [
            ("Algorithm", named),
            ("Parameters", ", ".join(f"{name} {value}" for name, value in manifest.parameters.items()) or "none"),
            ("Threshold", f"{manifest.threshold:g}; it {results.threshold.rule}"),
            ("Trained", f"{manifest.created:%Y-%m-%d %H:%M} UTC, run {manifest.run}, seed {manifest.seed}"),
            ("Parent version", manifest.parent or "none"),
            (
                "Compiled model",
                f"differs from the original by at most {compiled.largest_difference:.1e} on {number(compiled.rows)} "
                f"rows, {number(compiled.decided_otherwise)} of which it decides differently",
            ),
            ("Libraries", ", ".join(f"{name} {version}" for name, version in manifest.libraries.items())),
        ],
        words=True,
    )
    yield Table(
        ("Algorithm tried", "Log loss, mean of folds", "AUC, all folds", "95 % interval"),
        [
            (name, f"{found.mean_log_loss:.4f}", estimate(found.pooled_auc), interval(found.pooled_auc))
            for name, found in results.cross_validation.items()
        ],
    )
    if results.search:
        yield Text(results.search.said())
    yield Table(
        ("Column", "AUC lost when its values are shuffled"),
        [(name, f"{lost:.4f}") for name, lost in sorted(results.importance.items(), key=lambda each: -each[1])],
    )
