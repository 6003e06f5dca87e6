"""What the card says of less discriminatory alternatives by other sets of columns."""

from collections.abc import Iterator

from tabular_model import plots
from tabular_model.alternatives import Alternative, Alternatives
from tabular_model.card.document import Alarm, Block, Figure, Table, Text
from tabular_model.card.subject import NOT_MEASURED, Subject
from tabular_model.evaluate import FOUR_FIFTHS
from tabular_model.metrics import Estimate
from tabular_model.page import estimate, interval, number, share

REPRODUCED = 1e-6  # of a probability, within which a training is the same as before


def findings(subject: Subject) -> Iterator[str]:
    """For each protected column how many sets of fewer columns treat its groups more alike; none if not tried."""
    if subject.alternatives is None:
        return
    for column in subject.results.segments:
        fairer = subject.alternatives.fairer(column)
        said = (
            f"Without some columns: {len(fairer) or 'none'} of {len(subject.alternatives.sets) - 1} sets of fewer "
            f"columns {'has' if len(fairer) == 1 else 'have'} a higher lowest adverse impact ratio by {column} and an "
            "AUC that was not shown to be lower."
        )
        yield Alarm(said) if fairer else said


def blocks(subject: Subject) -> Iterator[Block]:
    """What was tried and how, and for each protected column the sets with their frontier."""
    found = subject.alternatives
    if found is None:
        yield Text(
            f"Less discriminatory alternatives by other sets of columns: {NOT_MEASURED}. It takes the data that the "
            f"version was trained on: “loan card {subject.manifest.version} --data FILE” trains its algorithm without "
            "some of the columns."
        )
        return
    yield from _how(subject, found)
    for column in subject.results.segments:
        if any(column in each.at.lowest for each in found.sets):
            yield from _of_column(found, column)


def _how(subject: Subject, found: Alternatives) -> Iterator[Block]:
    manifest = subject.manifest
    yield Text(
        f"Less discriminatory alternatives by other sets of columns: {manifest.algorithm} with the version's "
        "parameters, seed and training rows, without each column that it was trained on alone, and then without one "
        f"more as long as the lowest adverse impact ratio rose, by at most {found.most} trainings. Each set has the "
        "threshold by which it approves most nearly as many rows as the version. AUC and ratios are those of "
        f"{number(found.rows)} rows of the version's holdout; differences are to the version's AUC on the same rows."
    )
    if found.not_alone:
        yield Text(f"Too many columns to leave out each alone; always trained on: {', '.join(found.not_alone)}.")
    if found.reproduced > REPRODUCED:
        yield Text(
            f"Trained once more on all columns, the model gives probabilities that differ from the version's by up to "
            f"{found.reproduced:.1g}, as other releases of libraries may do: differences are of this size too."
        )
    yield Text(
        f"The holdout was looked at {len(found.sets)} times, and the sets were chosen by it: a set that looks better "
        "may do so by chance. One that is chosen from this table is to be confirmed on other rows."
    )


def _of_column(found: Alternatives, column: str) -> Iterator[Block]:
    best = found.frontier(column)
    yield Text(f"By {column}. A set is on the frontier if no other has both a higher AUC and a higher lowest ratio.")
    yield Figure(
        f"AUC and adverse impact ratio of sets of columns by {column}",
        "Each set at the version's approval rate, with 95 % intervals; the numbers are those of the table.",
        lambda: plots.alternatives(found.sets, best, column, FOUR_FIFTHS),
    )
    yield Table(
        (
            "Set",
            "Left out",
            "AUC",
            "Less the version's",
            "Approves",
            "Lowest ratio",
            "95 % interval",
            "Group",
            "Frontier",
        ),
        [_row(i, each, column, i in best) for i, each in enumerate(found.sets)],
        words=True,
    )


def _row(place: int, each: Alternative, column: str, on_frontier: bool) -> tuple[str, ...]:
    lowest = each.at.lowest.get(column)
    return (
        str(place),
        ", ".join(each.left_out) or "none: the version",
        _with_interval(each.auc),
        _with_interval(each.difference) if place else "–",
        share(each.at.approval_rate),
        ratio(lowest.ratio.value) if lowest else "–",
        interval(lowest.ratio) if lowest else "–",
        lowest.band if lowest else "–",
        "yes" if on_frontier else "",
    )


def _with_interval(found: Estimate) -> str:
    return f"{estimate(found)} ({interval(found)})"


def ratio(value: float | None) -> str:
    """A ratio with two decimals, marked if it is below four fifths."""
    if value is None:
        return "–"
    return Alarm(f"{value:.2f}") if value < FOUR_FIFTHS else f"{value:.2f}"
