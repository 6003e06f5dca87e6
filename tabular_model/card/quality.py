"""Sections on how good the model is: discrimination, calibration, and the same by period."""

from collections.abc import Iterator

from tabular_model import plots
from tabular_model.card.document import Block, Figure, Section, Table, Text
from tabular_model.card.subject import Subject
from tabular_model.metrics import Estimate
from tabular_model.page import estimate, interval, number, share


def sections(subject: Subject) -> Iterator[Section]:
    """Measured quality and calibration."""
    yield Section("Measured quality", list(_quality(subject)))
    yield Section("Calibration", list(_calibration(subject)))


def _quality(subject: Subject) -> Iterator[Block]:
    results, quality = subject.results, subject.results.holdout
    if not subject.signal:
        yield Text(
            "The model has no signal: it does not tell approved from rejected applications better than chance. "
            "The figures below are those of chance."
        )
    yield Text(f"On the {number(quality.rows)} rows of the holdout, which no step of the training saw.")
    named = {
        "AUC": quality.auc,
        "Gini": quality.gini,
        "KS": quality.ks,
        "Log loss": quality.log_loss,
        "Brier": quality.brier,
    }
    yield _estimates(named)
    decided = results.decisions
    yield Table(
        ("Rows of the holdout", "Model approves", "Model rejects"),
        [
            ("Were approved", number(decided.true_approvals), number(decided.false_rejections)),
            ("Were rejected", number(decided.false_approvals), number(decided.true_rejections)),
        ],
    )
    if champion := results.champion:
        yield Text(
            f"On the same rows the champion of the time, {champion.version}, has an AUC of {estimate(champion.auc)} "
            f"({interval(champion.auc)}); this version's differs by {estimate(champion.difference)} "
            f"({interval(champion.difference)}). The champion may have been trained on some of these rows."
        )
    if results.periods:
        yield Table(
            ("From", "To", "Rows", "Were approved", "AUC", "95 % interval"),
            [
                (
                    each.first,
                    each.last,
                    number(each.quality.rows),
                    share(each.quality.approved),
                    estimate(each.quality.auc),
                    interval(each.quality.auc),
                )
                for each in results.periods
            ],
        )


def _calibration(subject: Subject) -> Iterator[Block]:
    results, quality = subject.results, subject.results.holdout
    yield Text(
        "A slope of 1 and an intercept of 0 are perfect. A slope below 1 means probabilities that are too extreme, an "
        "intercept above 0 too few approvals predicted."
    )
    yield _estimates({"Slope": quality.calibration_slope, "Intercept": quality.calibration_intercept})
    yield Figure(
        "Reliability",
        "The share approved for each predicted probability; bars are 95 % intervals.",
        lambda: plots.reliability(results.reliability),
    )
    yield Table(
        ("Probability", "Rows", "Mean predicted", "Share approved", "95 % interval"),
        [
            (
                f"{each.low:.3f} to {each.high:.3f}",
                number(each.rows),
                f"{each.predicted:.3f}",
                estimate(each.observed),
                interval(each.observed),
            )
            for each in results.reliability
        ],
    )


def _estimates(named: dict[str, Estimate]) -> Table:
    rows = [(name, estimate(found), interval(found)) for name, found in named.items()]
    return Table(("Measure", "Value", "95 % interval"), rows)
