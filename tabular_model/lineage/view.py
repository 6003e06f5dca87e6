"""The lineage as tables on a terminal."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tabular_model.lineage.facts import Lineage
from tabular_model.lineage.served import time


def view(lineage: Lineage) -> Group:
    """Facts first, then approvals, releases, audit lines, and what is not known."""
    parts: list[RenderableType] = [Text(f"{lineage.name}, {lineage.registry}", style="bold"), _grid(_facts(lineage))]
    tables = (
        _table(("APPROVED", "REPLACED", "BY", "GATE", "REASON"), _approvals(lineage)),
        _table(("SERVED BY", "SHARES", "FROM", "TO", "BEGAN", "ENDED"), _served(lineage)),
        _table(("AUDIT LINE", "WHEN", "WHO", "WHAT", "RESULT", "WHY"), _audit(lineage)),
        _table(("NOT KNOWN", "WHY"), lineage.unknown.items()),
    )
    for each in tables:
        if each.row_count:
            parts += [Text(), each]
    return Group(*parts)


def _facts(lineage: Lineage) -> Iterator[tuple[str, str]]:
    data, code, training = lineage.data, lineage.code, lineage.training
    yield "Data", f"{data.source}, {data.rows} rows, {data.holdout:.0%} of them in the holdout"
    yield "Fingerprint of the data", f"sha256 {data.sha256}"
    yield "Columns", ", ".join(lineage.features)
    yield "Release", code.release or "not known"
    yield "Commit", code.commit or "not known"
    if code.pipeline:
        yield "Custom pipeline", f"sha256 {code.pipeline}"
    yield "Libraries", ", ".join(f"{name} {version}" for name, version in code.libraries.items()) or "not known"
    yield "Algorithm", lineage.algorithm
    yield "Parameters", ", ".join(f"{name} {value}" for name, value in lineage.parameters.items()) or "none"
    yield "Seed, threshold", f"{lineage.seed}, {lineage.threshold:g}"
    yield "Parent", lineage.parent or "none: the first version of its registry"
    yield "Training", f"run {training.run}"
    yield "Kubernetes Job", training.job or "not known"
    yield "Started", time(training.started)
    yield "Started by", training.by or "not known"
    yield "Published", time(training.published)
    yield "Gate", "passed" if lineage.gate.passed else f"failed: {'; '.join(lineage.gate.reasons)}"
    yield "Champion", "yes" if lineage.champion else "no"
    yield "Manifest", f"digest {lineage.manifest}, signed by {lineage.signer or 'nobody'}"


def _approvals(lineage: Lineage) -> Iterator[Sequence[str]]:
    if not lineage.approvals and "approvals" not in lineage.unknown:
        yield "never", "", "", "", ""
    for each in lineage.approvals:
        replaced = f"{time(each.until)} by {each.followed_by}" if each.until else "in force"
        yield time(each.at), replaced, each.by, "overridden" if each.forced else "passed", each.reason


def _served(lineage: Lineage) -> Iterator[Sequence[str]]:
    for each in lineage.served:
        shares = ", ".join(map(str, each.shares)) + " %"
        yield each.release, shares, time(each.since), time(each.until), each.began, each.ended


def _audit(lineage: Lineage) -> Iterator[Sequence[str]]:
    for each in lineage.audit:
        yield each.audit, time(each.when), each.who, each.what, each.result, each.why


def _grid(rows: Iterator[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, value in rows:
        grid.add_row(name, _plain(value))
    return grid


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*head, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(_plain, row))
    return table


def _plain(text: str) -> Text:
    """Others chose parts of it: no markup, and nothing that controls a terminal."""
    return Text("".join(each if each.isprintable() else " " for each in text), overflow="fold")
