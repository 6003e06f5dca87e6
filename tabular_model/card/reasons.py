"""The section on the reasons that an applicant is given."""

from collections.abc import Iterator

from tabular_model.card.document import Block, Section, Table, Text
from tabular_model.card.subject import Subject
from tabular_model.explain import REASONS
from tabular_model.schema import Column, Reason


def sections(subject: Subject) -> Iterator[Section]:
    """Reason codes with their wordings."""
    yield Section("Reasons", list(_reasons(subject)))


def _reasons(subject: Subject) -> Iterator[Block]:
    how = (
        "computed exactly"
        if subject.exact_reasons
        else "estimated from a fixed sample of orders of the columns, with a standard error in each response"
    )
    yield Text(
        f"An application has at most {REASONS} reasons, the most important first: the columns that lowered its score "
        "most against a typical approved application. The contribution of a column to the log-odds is its Shapley "
        f"value, {how}."
    )
    yield Table(
        ("Column", "Value", "Code", "Wording"),
        [
            (column.name, value, reason.code, reason.text or "–")
            for column in subject.trained
            for value, reason in _wordings(column)
        ],
        words=True,
    )
    if names := subject.protected_and_trained:
        yield Text(f"{', '.join(names)}: protected, and trained on by explicit choice, so it can be given as a reason.")
    elif subject.manifest.protected:
        yield Text("No protected column was trained on, so that none can be a reason.")


def _wordings(column: Column) -> Iterator[tuple[str, Reason]]:
    """The values that can be a reason, in words, and the reason that each is."""
    if column.reason("low") == column.reason("high"):
        yield "any", column.reason("low")
    else:
        low, high = ("no", "yes") if column.flag else ("low", "high")
        yield low, column.reason("low")
        yield high, column.reason("high")
    if column.missing:
        yield "missing", column.reason("missing")
