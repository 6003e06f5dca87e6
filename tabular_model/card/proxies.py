"""The section on how well the columns trained on predict the protected ones that were not."""

from collections.abc import Iterator, Sequence

from tabular_model.card.document import Block, Section, Table, Text
from tabular_model.card.subject import NOT_MEASURED, Subject
from tabular_model.evaluate import FEWEST
from tabular_model.page import estimate, interval, number
from tabular_model.proxies import Proxy


def sections(subject: Subject) -> Iterator[Section]:
    """Proxies."""
    yield Section("Proxies", list(_proxies(subject)))


def _proxies(subject: Subject) -> Iterator[Block]:
    apart = [column for column in subject.manifest.schema if column.protected and column not in subject.trained]
    if not apart:
        yield Text("Not measured: there is no protected column that the model was not trained on.")
        return
    measured = subject.results.proxies
    yield Text(
        "How well the columns that the model was trained on predict a group of a protected column that it was not "
        "trained on: the AUC of telling the group from the others, on the holdout. 0.5 says nothing of the group, 1 "
        "all. All columns are tried together by boosted trees, and each alone by one tree; each interval is by itself. "
        "A model may decide by what predicts a group well without having the column."
    )
    for column in apart:
        if column.name not in measured:
            yield Text(f"{column.name}: {NOT_MEASURED} by the release that trained it; train it again.")
        elif not measured[column.name]:
            yield Text(f"{column.name}: too few rows to tell; fewer than two groups have {FEWEST} rows of the holdout.")
        else:
            yield from _of_column(column.name, measured[column.name])
            yield Text(
                "The declaration sets no limit for it (proxy_limit), so that the gate did not judge it."
                if column.proxy_limit is None
                else f"The gate fails where all columns have an AUC above {column.proxy_limit:g} by more than chance."
            )


def _of_column(name: str, found: Sequence[Proxy]) -> Iterator[Block]:
    yield Table(
        (name, "Rows", "AUC of all columns", "95 % interval", "Best column alone", "Its AUC", "95 % interval"),
        [
            (
                each.group,
                f"{number(each.members)} of {number(each.rows)}",
                estimate(each.together),
                interval(each.together),
                each.strongest,
                estimate(each.alone[each.strongest]),
                interval(each.alone[each.strongest]),
            )
            for each in found
        ],
    )
    best = {column: max(found, key=lambda each: each.alone[column].value or 0) for column in found[0].alone}
    yield Table(
        ("Column alone", f"Group of {name} that it predicts best", "AUC", "95 % interval"),
        [
            (column, each.group, estimate(each.alone[column]), interval(each.alone[column]))
            for column, each in best.items()
        ],
    )
