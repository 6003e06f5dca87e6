"""Sections on the groups of protected columns: how good the model is in each, and how alike they are approved."""

from collections.abc import Iterator, Sequence

from tabular_model import plots
from tabular_model.card import alternatives
from tabular_model.card.alternatives import ratio
from tabular_model.card.document import Alarm, Block, Figure, Section, Table, Text
from tabular_model.card.subject import NOT_MEASURED, Subject
from tabular_model.evaluate import FEWEST, FOUR_FIFTHS, Segment
from tabular_model.impact import impact_ratio
from tabular_model.metrics import Estimate
from tabular_model.page import estimate, interval, number, share
from tabular_model.tradeoffs import Tradeoff, frontier


def sections(subject: Subject) -> Iterator[Section]:
    """Segments and fairness."""
    yield Section("Segments", list(_segments(subject)))
    yield Section("Fairness", list(_fairness(subject)))


def findings(subject: Subject) -> Iterator[str]:
    """For each protected column a sentence on the lowest ratio at the threshold, of groups of enough rows."""
    for column, found in subject.results.segments.items():
        ratios = {each.band: each.adverse_impact_ratio for each in found if each.quality.rows >= FEWEST}
        known = {band: ratio for band, ratio in ratios.items() if ratio is not None}
        if len(known) < 2:
            yield f"Groups by {column} are not compared: fewer than two have {FEWEST} rows of the holdout."
            continue
        lowest = min(known, key=lambda band: known[band])
        below = sum(ratio < FOUR_FIFTHS for ratio in known.values())
        said = (
            f"Adverse impact ratio by {column}: the lowest is {known[lowest]:.2f} ({lowest}); {below or 'none'} of "
            f"{len(known)} groups {'is' if below == 1 else 'are'} below {FOUR_FIFTHS:.2f}."
        )
        yield Alarm(said) if below else said
    yield from alternatives.findings(subject)


def _segments(subject: Subject) -> Iterator[Block]:
    if not subject.results.segments:
        yield Text("Not measured: the declaration marks no column as protected, so the holdout was not divided.")
    for column, found in subject.results.segments.items():
        yield Text(f"By {column}:")
        yield Table(
            (column, "Rows", "Were approved", "AUC", "95 % interval", "Brier", "Calibration slope"),
            [
                (
                    each.band,
                    number(each.quality.rows),
                    share(each.quality.approved),
                    estimate(each.quality.auc),
                    interval(each.quality.auc),
                    estimate(each.quality.brier),
                    estimate(each.quality.calibration_slope),
                )
                for each in found
            ],
        )


def _fairness(subject: Subject) -> Iterator[Block]:
    results = subject.results
    if not results.segments:
        yield Text(
            "Not measured: no column is marked as protected. It takes data with the characteristic of each applicant, "
            "declared with protected: true; the model need not be trained on it."
        )
        return
    yield Text(
        "The adverse impact ratio is a group's approval rate divided by that of the group with the highest one. Below "
        "0.80 it breaks the four-fifths rule, which is one of employment that lenders have taken over."
    )
    for column, found in results.segments.items():
        yield from _at_the_threshold(subject, column, found)
        yield from _across_thresholds(subject, column)
    yield from alternatives.blocks(subject)


def _at_the_threshold(subject: Subject, column: str, found: Sequence[Segment]) -> Iterator[Block]:
    yield Text(f"By {column}, at the threshold {subject.manifest.threshold:g}:")
    yield Table(
        (column, "Rows", "Model approves", "Of those approved in the data", "Adverse impact ratio", "95 % interval"),
        [
            (
                each.band,
                number(each.quality.rows),
                share(each.approval_rate),
                share(each.qualified_approval_rate),
                ratio(each.adverse_impact_ratio),
                _against_best(each, found),
            )
            for each in found
        ],
    )


def _against_best(each: Segment, found: Sequence[Segment]) -> str:
    best = max((other for other in found if other.quality.rows >= FEWEST), key=lambda o: o.approval_rate, default=None)
    if best is None or each.band == best.band:
        return "–" if best is None else "compared with"
    sizes = [(segment.approval_rate * segment.quality.rows, segment.quality.rows) for segment in (each, best)]
    few = f" (fewer than {FEWEST} rows)" if each.quality.rows < FEWEST else ""
    return interval(impact_ratio(*sizes[0], *sizes[1])) + few


def _across_thresholds(subject: Subject, column: str) -> Iterator[Block]:
    measured = [each for each in subject.results.tradeoffs if column in each.lowest]
    if not subject.results.tradeoffs:
        yield Text(f"By {column}, at other thresholds: {NOT_MEASURED} by the release that trained it; train it again.")
        return
    if not measured:
        yield Text(
            f"By {column}, at other thresholds: {NOT_MEASURED}, because fewer than two groups have {FEWEST} rows of "
            "the holdout. It takes more rows."
        )
        return
    yield Text(
        f"By {column}, at other thresholds. The AUC of the score is the same at each; the AUC of the decision is the "
        "mean of the shares of approved rows approved and of rejected rows rejected. A threshold is on the frontier if "
        "no other has both a higher AUC of the decision and a higher lowest ratio. Rows of the holdout were looked at "
        "for all of them, so one chosen from this table is to be confirmed on other rows."
    )
    best, own = frontier(measured, column), subject.manifest.threshold
    yield Figure(
        f"Adverse impact ratio and quality by {column}",
        "Left: the lowest ratio at each approval rate, with its 95 % interval. Right: each threshold's two sides.",
        lambda: plots.tradeoffs(measured, best, column, own, FOUR_FIFTHS),
    )
    yield Table(
        ("Threshold", "Model approves", "AUC of the decision", "Lowest ratio", "95 % interval", "Group", "Frontier"),
        [_row(each, column, own, each in best) for each in measured],
    )


def _row(each: Tradeoff, column: str, own: float, on_frontier: bool) -> tuple[str, ...]:
    lowest = each.lowest[column]
    return (
        f"{each.threshold:.3f}" + (" (in use)" if each.threshold == own else ""),
        share(each.approval_rate),
        estimate(Estimate(each.decision_auc, None, None)),
        ratio(lowest.ratio.value),
        interval(lowest.ratio),
        lowest.band,
        "yes" if on_frontier else "",
    )
