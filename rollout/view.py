"""What a person sees: shares as bars, steps, and each check with both figures."""

from collections.abc import Callable, Iterable

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from rollout.judgement import Finding, Judged, Outcome
from rollout.release import Revision
from rollout.workload import Health
from tabular_model.rollouts import Split

WIDTH = 40  # cells of a bar
MARKS = {
    Outcome.worse: ("✗", "red"),
    Outcome.unsure: ("?", "yellow"),
    Outcome.fine: ("✓", "green"),
}


def status(release: str, revision: Revision, stable: Health, canary: Health | None, judged: Judged | None) -> Group:
    """The whole picture; `canary` and `judged` where there is one."""
    split = revision.values.split
    head = Text.assemble((release, "bold"), f"  {revision.values.mode} mode, revision {revision.number}")
    parts: list[RenderableType] = [
        head,
        Text(revision.description, style="dim"),
        Text(),
        _shares(split, stable, canary),
    ]
    if split.canary:
        parts += [Text(), _steps(split, revision.values.rollout.steps)]
    if judged:
        parts += [Text(), checks(judged), Text(), verdict(judged)]
    return Group(*parts)


def checks(judged: Judged) -> Table:
    """A row for each finding: latencies in ms, scores as their PSI, restarts as a number, the rest in percent."""
    table = Table("CHECK", "STABLE", "CANARY", "AT MOST", "P", "", box=None, pad_edge=False)
    for each in judged.findings:
        mark, colour = MARKS[each.outcome]
        figures = (_figure(each, value) for value in (each.stable, each.canary, each.limit))
        table.add_row(each.check, *figures, f"{each.p_value:.3f}", Text(f"{mark} {each.outcome}", style=colour))
    return table


def verdict(judged: Judged) -> Text:
    """One line: the mark and colour of the outcome, and what decided it."""
    mark, colour = MARKS[judged.outcome]
    return Text(f"{mark} {judged.why}", style=colour)


def progress(split: Split, judged: Judged, seconds: float) -> str:
    """One line, while a judgement waits for traffic."""
    return f"{split}: {seconds:.0f} s, {judged.canary_requests} requests of the canary: {judged.outcome}"


def progress_line() -> Callable[[str], None]:
    """Writes a line to standard error for each look; on a terminal one line that changes."""
    shown = console(stderr=True)
    return lambda line: shown.print(line, end="\r" if shown.is_terminal else "\n")


def console(stderr: bool = False) -> Console:
    """Writes to standard output unless `stderr`, and does not colour numbers and paths by itself."""
    return Console(stderr=stderr, highlight=False)


def _shares(split: Split, stable: Health, canary: Health | None) -> Table:
    table = Table.grid(padding=(0, 2))
    for role, version, share, health, colour in _roles(split, stable, canary):
        bar = Text("█" * round(share * WIDTH / 100), style=colour)
        table.add_row(role, Text(version, style="bold"), f"{share} %", bar, _pods(health))
    return table


def _roles(split: Split, stable: Health, canary: Health | None) -> Iterable[tuple[str, str, int, Health, str]]:
    yield "stable", split.stable, 100 - split.weight, stable, "blue"
    if canary:
        yield "canary", split.canary, split.weight, canary, "yellow"


def _pods(health: Health) -> Text:
    text = Text(f"{health.ready_pods}/{health.pods} ready", style="green" if health.ready else "red")
    if health.restarts:
        text.append(f", {health.restarts} restarts", style="red")
    if health.reason and not health.ready:
        text.append(f" ({health.reason[:100]})", style="dim")
    return text


def _steps(split: Split, steps: tuple[int, ...]) -> Text:
    text = Text("steps   ")
    for step in (0, *steps):
        mark, style = (
            ("●", "bold yellow") if step == split.weight else ("✓", "green") if step < split.weight else ("○", "dim")
        )
        text.append(f"{mark} {step} %   ", style=style)
    return text


def _figure(finding: Finding, value: float) -> str:
    if finding.check.endswith("seconds"):
        return f"{value * 1000:.2f} ms"
    if finding.check.startswith("scores"):
        return f"{value:.3f}"
    return f"{value:.0f}" if finding.check == "restarts" else f"{value:.2%}"
