"""The rules that a card stands on: what each asks, since when, where the card answers, and what was not checked."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from msgspec import UNSET

from tabular_model.card.document import Points, Section, Table, Text
from tabular_model.card.subject import Subject

Jurisdiction = Literal["eu", "us"]
AI_ACT = "Regulation (EU) 2024/1689"
FROM = "2027-12-02, see below"


class Rule(NamedTuple):
    """`law` is whose rule it is, `since` from when it applies, `here` the sections that answer it."""

    law: Jurisdiction
    name: str
    since: str
    asks: str
    here: str


RULES = (
    Rule(
        "us",
        "12 CFR 1002.9 and Appendix C (Regulation B)",
        "2011-12-30, as part 1002",
        "who is refused is told the specific principal reasons",
        "Reasons",
    ),
    Rule(
        "us",
        "Regulation B, final rule of 2026-04-22",
        "2026-07-21",
        "no test of effects any more; a neutral criterion must not stand for a protected one on purpose",
        "Fairness and Proxies, as measures and not as that test; the purpose is for the lender to show",
    ),
    Rule(
        "us",
        "Interagency guidance on model risk: SR 26-2, OCC 2026-13, FIL-15-2026",
        "2026-04-17",
        "development, validation, monitoring and governance in proportion to the risk, and documents of them; it "
        "rescinds SR 11-7",
        "all sections; independent validation is for the lender to add",
    ),
    Rule(
        "us",
        "29 CFR 1607.4(D), the four-fifths rule",
        "1978-09-25",
        "in employment: a rate below four fifths of the highest is taken as a sign of adverse impact",
        "Fairness",
    ),
    Rule(
        "eu",
        f"{AI_ACT}, annex III 5(b)",
        FROM,
        "a system that assesses the creditworthiness of natural persons is of high risk",
        "Purpose; the classification is for the lender to make",
    ),
    Rule("eu", f"{AI_ACT}, article 9", FROM, "a system for managing risks", "Limits; the system is the lender's"),
    Rule(
        "eu",
        f"{AI_ACT}, article 10",
        FROM,
        "governance of data, and a search for bias in them",
        "Data, Columns, Segments, Fairness, Proxies",
    ),
    Rule("eu", f"{AI_ACT}, article 11", FROM, "technical documentation", "this card, of what annex IV asks a part"),
    Rule("eu", f"{AI_ACT}, article 12", FROM, "events are logged", "Monitoring plan"),
    Rule(
        "eu",
        f"{AI_ACT}, article 13",
        FROM,
        "instructions that let who uses it understand its output",
        "Purpose, Measured quality, Reasons, Limits",
    ),
    Rule("eu", f"{AI_ACT}, article 14", FROM, "people can oversee it", "not shown; it is the lender's process"),
    Rule(
        "eu",
        f"{AI_ACT}, article 15",
        FROM,
        "accuracy, robustness and security, with the accuracy stated",
        "Measured quality, Calibration, Signature",
    ),
    Rule("eu", f"{AI_ACT}, article 19", FROM, "the provider keeps logs for six months at least", "Monitoring plan"),
    Rule(
        "eu",
        f"{AI_ACT}, article 26",
        FROM,
        "who uses it oversees and watches it, and keeps logs for six months at least",
        "Monitoring plan, Approvals",
    ),
)
UNCHECKED: dict[Jurisdiction, tuple[str, ...]] = {
    "us": (
        "The dates of the guidance of 2026-04-17, of the final rule on Regulation B and of the circular's withdrawal "
        "were checked in the notes of law firms and compliance services; the official texts were not read for this "
        "table, and the dates of 12 CFR 1002.9 and 29 CFR 1607.4 were not checked.",
        "CFPB circular 2022-03 was withdrawn on 2025-05-12. It is no authority, and nothing here rests on it.",
        "The guidance of 2026-04-17 does not bind, and is meant above all for banks with more than 30 billion dollars "
        "in assets. State law, which may still test effects, is not in this table.",
    ),
    "eu": (
        "The articles apply to annex III from 2027-12-02 by the amendment that the Parliament adopted on 2026-06-16 "
        "and the Council on 2026-06-29, as the notes of law firms of July 2026 say. Its publication in the Official "
        "Journal could not be checked; without it the date is 2026-08-02, so look it up before you rely on it.",
    ),
}


def sections(subject: Subject) -> Iterator[Section]:
    """The rules of the declared law, or of all laws if none is declared."""
    declared = subject.manifest.law
    laws: tuple[Jurisdiction, ...] = ("us", "eu") if declared is UNSET else declared
    said = (
        "The declaration names no law, so that the rules of all laws known here are listed; which of them apply is for "
        "the lender to say."
        if declared is UNSET
        else "The rules of the law that the declaration names. Others may apply too."
    )
    yield Section(
        "Rules",
        [
            Text(said),
            Table(
                ("Rule", "Applies from", "What it asks, in short", "Here"),
                [(rule.name, rule.since, rule.asks, rule.here) for rule in RULES if rule.law in laws],
                words=True,
            ),
            Points([sentence for law in laws for sentence in UNCHECKED[law]]),
        ],
    )
