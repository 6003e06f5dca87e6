"""The section on the reasons that an applicant is given."""

from collections.abc import Iterator

from tabular_model.card.document import Alarm, Block, Points, Section, Table, Text
from tabular_model.card.subject import NOT_MEASURED, Subject
from tabular_model.explain import REASONS
from tabular_model.explain.checks import ENOUGH, NOISE, ReasonChecks
from tabular_model.gate import RAISED, STABLE
from tabular_model.metrics import Estimate
from tabular_model.page import number, share
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
            if column.can_be_reason
            for value, reason in _wordings(column)
        ],
        words=True,
    )
    yield from _never_given(subject)
    yield from _whether_they_hold(subject.results.reasons)


def findings(subject: Subject) -> Iterator[str]:
    """A sentence on notices that lack the reason that mattered most; none where each column may be a reason."""
    hidden = [column.name for column in subject.trained if not column.can_be_reason]
    if not hidden:
        return
    found, named = subject.results.withheld, " or ".join(hidden)
    if found is None:
        yield Alarm(
            f"How often a notice lacks its first reason, because {named} is never given as one, was not measured by "
            "the release that trained the version; train it again."
        )
    elif not found.rejected:
        yield "No application of the holdout was rejected, so that no notice lacks its first reason."
    else:
        most, alone = found.lowered_most, found.without_reason
        said = (
            f"{share(most.value)} (95 % interval {share(most.low)} to {share(most.high)}) of {number(found.rejected)} "
            f"rejected applications of the holdout were lowered most by {named}, never given as a reason; "
            f"{share(alone.value)} were lowered by nothing else and have no reason."
        )
        yield Alarm(said) if most.value else said


def _never_given(subject: Subject) -> Iterator[Block]:
    protected = subject.protected_and_trained
    proxies = [column.name for column in subject.trained if column.proxy]
    if protected:
        yield Text(f"Never given, because protected, though trained on by explicit choice: {', '.join(protected)}.")
    elif subject.manifest.protected:
        yield Text("No protected column was trained on, so that none can be a reason.")
    if proxies:
        yield Text(f"Never given, because the declaration says that they stand for others: {', '.join(proxies)}.")
    if protected or proxies:
        yield Points(list(findings(subject)))
        yield Text(
            "A notice has to state the specific principal reasons (12 CFR 1002.9(b)(2)). One without the reason that "
            "mattered most does not state them all: a model trained without the column has no such notice."
        )


def _whether_they_hold(found: ReasonChecks | None) -> Iterator[Block]:
    if found is None:
        yield Text(f"Whether the reasons hold: {NOT_MEASURED} by the release that trained it; train it again.")
        return
    yield Text(
        f"Whether they hold, on {number(found.rows)} rejected applications of the holdout, those nearest below the "
        f"threshold{f' ({number(found.without)} others have no reason)' if found.without else ''}. A reason is "
        "repaired by the value of a typical approved application in its column. The noise is normal, of "
        f"{NOISE:g} standard deviations of the training rows in each number."
        + ("" if found.enough else f" Too few rows to tell: fewer than {ENOUGH}.")
    )
    yield Table(
        ("Of these applications", "Share", "95 % interval", "The gate asks for"),
        [
            (what, share(each.value), _interval(each), f"{100 * limit:.0f} %" if limit else "–")
            for what, each, limit in (
                ("The score rises when the first reason is repaired", found.raised, RAISED),
                ("The application is then approved", found.crossed, None),
                ("The first reason stays the same under noise", found.same_first, STABLE),
                ("All reasons stay the same, in any order", found.same_set, None),
            )
        ],
    )


def _interval(found: Estimate) -> str:
    return "–" if found.low is None else f"{share(found.low)} to {share(found.high)}"


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
