"""The section on what the card does not show, and what it would take."""

from collections.abc import Iterator

from tabular_model.card.document import Section, Table, Text
from tabular_model.card.subject import Subject


def sections(subject: Subject) -> Iterator[Section]:
    """What was not measured."""
    yield Section(
        "What this card does not show",
        [
            Text(
                "A program writes the card from the version's files. It is no validation, which takes people who did "
                "not build the model."
            ),
            Table(("Not measured", "What it would take"), list(_rows(subject)), words=True),
        ],
    )


def _rows(subject: Subject) -> Iterator[tuple[str, str]]:
    yield (
        "How the model did on applications since it was published",
        "the record of decisions with outcomes joined to it",
    )
    yield (
        "Whether those who were rejected would have repaid",
        "outcomes of rejected applications; “loan monitor --outcomes” says how far AUC and threshold depend on it",
    )
    if len(subject.results.proxies) < len(subject.manifest.protected) - len(subject.protected_and_trained):
        yield (
            "Whether columns stand for a protected one",
            "a model of each protected column from the columns trained on, judged on the holdout",
        )
    if subject.alternatives is None:
        yield (
            "Less discriminatory alternatives by other sets of columns",
            "the data that the version was trained on: loan card --data",
        )
    yield (
        "Less discriminatory alternatives by other algorithms, or with columns that the data do not have",
        "a training of each, on the same rows, with AUC and lowest adverse impact ratio compared",
    )
    if subject.results.reasons is None:
        yield (
            "Whether the reasons hold",
            "for applications just below the threshold, whether repairing the first reason raises the score",
        )
    yield (
        "Whether a reason is one that the applicant can act on",
        "somebody who knows which columns an applicant can change, and how far",
    )
    yield "Whether an independent validation took place", "a report by people who did not build the model"
