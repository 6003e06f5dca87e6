"""Sections on limits, on watching the model, on who approved it, and on what proves the version's origin."""

from collections.abc import Iterator

from msgspec import UNSET

from tabular_model.card.document import Alarm, Block, Points, Section, Table, Text
from tabular_model.card.subject import Subject
from tabular_model.evaluate import FEWEST
from tabular_model.page import estimate, interval, number, share


def sections(subject: Subject) -> Iterator[Section]:
    """Limits, monitoring plan, approvals and signature."""
    yield Section("Limits", [Points(list(_limits(subject)))])
    yield Section("Monitoring plan", list(_monitoring(subject)))
    yield Section("Approvals", list(_approvals(subject)))
    yield Section("Signature", list(_signature(subject)))


def _limits(subject: Subject) -> Iterator[str]:
    manifest, results = subject.manifest, subject.results
    if not subject.signal:
        yield "The model has no signal; its decisions are no better than chance."
    yield (
        f"It predicts {manifest.target.name} as the data have it. If those are earlier decisions, it repeats them and "
        "what was wrong with them; whether the approved repay is then not what it was trained on."
    )
    if not manifest.data.time:
        yield (
            "The holdout is of the same time as the training rows. How the model does on later applications is not "
            "measured; it takes data whose declaration names a time."
        )
    if not manifest.data.group:
        yield "Rows of one applicant may be on both sides of the split, unless each applicant has one row."
    if results.tradeoffs or results.segments:
        yield from _of_groups(subject)
    if manifest.compiled is not UNSET and manifest.compiled.arithmetic == "float32":
        yield "The compiled model computes in float32; values next to a split may go to its other side."
    if manifest.engine is not UNSET:
        yield f"The rows did not stay in memory ({manifest.engine}); metrics are those of scores counted in bins."
    yield "A value outside a column's range is scored and counted, unless the server is set to reject it."


def _of_groups(subject: Subject) -> Iterator[str]:
    small = [
        f"{column} {each.band} ({number(each.quality.rows)})"
        for column, found in subject.results.segments.items()
        for each in found
        if each.quality.rows < FEWEST
    ]
    if small:
        yield f"Groups of fewer than {FEWEST} rows of the holdout, whose figures tell little: {', '.join(small)}."
    if subject.results.segments:
        named = ", ".join(subject.results.segments)
        yield f"Groups are compared by {named} only; characteristics that the data do not have are not looked at."


def _monitoring(subject: Subject) -> Iterator[Block]:
    quality, reference = subject.results.holdout, subject.reference
    yield Text(
        "A version has no monitoring plan: who looks, how often and what follows are for the lender to state. This is "
        "what the version can be watched against."
    )
    decided = subject.results.decisions
    approved = (decided.true_approvals + decided.false_approvals) / quality.rows
    yield Table(
        ("What", "Against"),
        [
            (
                "Drift of columns and score",
                f"the distributions of {number(reference.rows)} training rows in reference.json, by the population "
                "stability index",
            ),
            ("Missing values", "the shares in the table of columns"),
            ("Approval rate", f"{share(approved)} of the holdout"),
            (
                "Adverse impact ratio",
                "the table in Fairness" if subject.results.segments else "not measured in training",
            ),
            (
                "Discrimination, once outcomes are known",
                f"AUC {estimate(quality.auc)} ({interval(quality.auc)}) of the holdout",
            ),
            (
                "Calibration, once outcomes are known",
                f"slope {estimate(quality.calibration_slope)} ({interval(quality.calibration_slope)}) of the holdout",
            ),
            ("Decisions", "the record of decisions, if the server keeps one, which “loan replay” shows again"),
        ],
        words=True,
    )


def _approvals(subject: Subject) -> Iterator[Block]:
    version, made = subject.manifest.version, subject.promotions
    followed = zip(made, (*made[1:], None), strict=False)
    rows = [
        (
            f"{each.at:%Y-%m-%d %H:%M} UTC",
            f"{after.at:%Y-%m-%d %H:%M} UTC, {after.version}" if after else "still in force",
            each.by,
            each.reason,
            Alarm("overridden") if each.forced else "passed",
        )
        for each, after in followed
        if each.version == version
    ]
    if not rows:
        yield Text(
            f"{version} was never promoted; the champion is {subject.champion}."
            if subject.champion
            else f"{version} was never promoted, and there is no champion."
        )
    else:
        yield Table(("Promoted", "Replaced", "By", "Reason", "Gate"), rows, words=True)
    yield Text(
        "A rollout that ends well promotes with a reason that begins with “rollout:”. Its judgements are in what it "
        "printed and in the cluster's events, not in the registry. Promotions are not signed: whoever can write to the "
        "registry can write one."
    )


def _signature(subject: Subject) -> Iterator[Block]:
    signer = subject.manifest.signer
    if signer is UNSET:
        yield Text("The version is not signed: nothing proves who published it.")
    elif subject.verified:
        yield Text(f"Signed by {signer}, and verified against the public keys that were given for this card.")
    else:
        yield Text(f"Signed by {signer}. Not verified: no public key was given (--verify-key).")
    yield Text(
        "Each file of the version has the sha256 that its manifest records; this was checked when the card was written."
    )
    yield Table(
        (),
        [
            ("Digest of the manifest", subject.manifest.digest),
            *((name, sha256) for name, sha256 in sorted(subject.manifest.files.items())),
        ],
        words=True,
    )
