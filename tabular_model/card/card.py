"""The card of a version: its sections in the order in which a committee reads them."""

from tabular_model.card import fairness, governance, made, proxies, quality, reasons, rules, unknown
from tabular_model.card.document import Document, Lead
from tabular_model.card.subject import Subject
from tabular_model.page import estimate, interval, number


def card(subject: Subject) -> Document:
    """The same bytes of files and promotions give the same card."""
    manifest = subject.manifest
    standing = "the champion" if subject.champion == manifest.version else "not the champion"
    parts = (made, quality, fairness, proxies, reasons, governance, rules, unknown)
    return Document(
        title=f"Model card: {subject.name}",
        subtitle=f"Published {manifest.created:%Y-%m-%d %H:%M} UTC · {manifest.algorithm} · "
        f"{number(manifest.data.rows)} rows · {standing}",
        lead=_lead(subject),
        sections=[section for part in parts for section in part.sections(subject)],
    )


def _lead(subject: Subject) -> Lead:
    verdict, auc = subject.results.verdict, subject.results.holdout.auc
    measured = f"AUC on the holdout: {estimate(auc)} (95 % interval {interval(auc)})."
    found = (*fairness.findings(subject), *reasons.findings(subject))
    title = f"The gate: {'passed' if verdict.passed else 'failed'}"
    if not subject.signal:
        title += "; the model has no signal"
    return Lead(verdict.passed and subject.signal, title, (measured, *found, *verdict.reasons))
