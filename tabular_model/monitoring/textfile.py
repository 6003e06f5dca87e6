"""The result as gauges of Prometheus, in the text format that node_exporter's textfile collector reads."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

from tabular_model.monitoring.findings import Finding, Outcome
from tabular_model.monitoring.result import Monitored

_HELP = {
    "loan_monitor_found": "1 if the check found a change beyond chance and beyond its limit.",
    "loan_monitor_unsure": "1 if there was too little data to tell.",
    "loan_monitor_value": "What the check found.",
    "loan_monitor_expected": "What the version's reference or holdout has.",
    "loan_monitor_change": "How far both are apart in the direction that counts.",
    "loan_monitor_limit": "The change that is a finding if it is beyond chance.",
    "loan_monitor_critical": "The change that chance alone passes, corrected for the number of tests.",
    "loan_monitor_rows": "Decisions in the window.",
    "loan_monitor_refused": "Requests without a decision in the window.",
    "loan_monitor_window_end_timestamp_seconds": "The end of the window.",
    "loan_monitor_created_timestamp_seconds": "When the window was looked at.",
}

_Sample = tuple[str, dict[str, str], float | None]


def textfile(result: Monitored) -> str:
    """All gauges, each with its help; a value that is absent has no line."""
    lines = {name: [f"# HELP {name} {words}", f"# TYPE {name} gauge"] for name, words in _HELP.items()}
    for name, labels, value in _samples(result):
        if value is not None:
            shown = ",".join(f'{key}="{_escaped(word)}"' for key, word in labels.items())
            lines[name].append(f"{name}{{{shown}}} {value!r}")
    return "".join(f"{line}\n" for each in lines.values() for line in each)


def _samples(result: Monitored) -> Iterator[_Sample]:
    model = {"model": result.model}
    end = datetime.combine(result.last + timedelta(days=1), time(), UTC)
    yield "loan_monitor_window_end_timestamp_seconds", model, end.timestamp()
    yield "loan_monitor_created_timestamp_seconds", model, result.created.timestamp()
    for each in result.versions:
        labels = model | {"version": each.version}
        yield "loan_monitor_rows", labels, float(each.rows)
        yield "loan_monitor_refused", labels, float(each.refused)
        for finding in each.findings:
            yield from _of(finding, labels | {"check": finding.check, "subject": finding.subject})


def _of(finding: Finding, labels: dict[str, str]) -> Iterator[_Sample]:
    for outcome in (Outcome.found, Outcome.unsure):
        yield f"loan_monitor_{outcome}", labels, float(finding.outcome is outcome)
    for field in ("value", "expected", "change", "limit", "critical"):
        yield f"loan_monitor_{field}", labels, getattr(finding, field)


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
