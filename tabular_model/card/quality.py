"""Sections on how good the model is: discrimination, calibration, and the same by period."""

from collections.abc import Iterator

from tabular_model import plots
from tabular_model.card.document import Block, Figure, Points, Section, Table, Text
from tabular_model.card.subject import Subject
from tabular_model.metrics import Estimate
from tabular_model.page import estimate, interval, number, share


def sections(subject: Subject) -> Iterator[Section]:
    """Measured quality, calibration and reject inference."""
    yield Section("Measured quality", list(_quality(subject)))
    yield Section("Calibration", list(_calibration(subject)))
    yield Section("Reject inference", list(_reject_inference(subject)))


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


def _reject_inference(subject: Subject) -> Iterator[Block]:
    target = subject.manifest.target
    yield Text(
        "None is made, and no figure of this card rests on any. A training takes only rows with a target. A version "
        f"does not say what {target.name} is; one of two cases holds, and the lender has to say which."
    )
    yield Points(
        [
            f"{target.name} is an earlier decision. Then the rejected are among the rows, with {target.rejected} as "
            "their target, and there is nothing to infer: the figures are about repeating decisions, and nothing is "
            "known of who would have repaid.",
            f"{target.name} is what became of a loan. Then the rows are of applicants who were approved; AUC, "
            "calibration and threshold hold for applicants like them, and may not for those who were rejected.",
        ]
    )
    yield Text(
        "In the second case “loan monitor --outcomes” states AUC and threshold for all applicants, from the record of "
        "decisions and what became of the approved, under the assumptions that the odds of the rejected to be bad are "
        "1, 2 or 3 times those of their probabilities."
    )


def _estimates(named: dict[str, Estimate]) -> Table:
    rows = [(name, estimate(found), interval(found)) for name, found in named.items()]
    return Table(("Measure", "Value", "95 % interval"), rows)
