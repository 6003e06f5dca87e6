"""The report of a window for a committee, with what earlier windows showed: one file that needs no network."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tabular_model import page
from tabular_model.monitoring import plots
from tabular_model.monitoring.result import Monitored, VersionMonitored

TEMPLATE = Path(__file__).with_name("report.html.j2")

Figure = Callable[[VersionMonitored], dict[str, float | None]]


def render(result: Monitored, before: Sequence[Monitored]) -> bytes:
    """The page about a window; `before` are the results of earlier ones, the oldest first."""
    same = (result.first, result.last)
    windows = [each for each in before if each.model == result.model and (each.first, each.last) != same]
    windows = [each for each in windows if each.last <= result.last] + [result]
    drawn = {version.version: _figures(version, windows, result) for version in result.versions}
    template = page.environment().from_string(TEMPLATE.read_text("utf-8"))
    return template.render(result=result, drawn=drawn, windows=len(windows)).encode()


def _figures(version: VersionMonitored, windows: Sequence[Monitored], result: Monitored) -> dict[str, Any]:
    limits = result.limits
    drawn: dict[str, Any] = {"distributions": plots.distributions({**version.columns, "score": version.score})}
    if len(windows) > 1:
        drawn["psi"] = _trend(version, windows, _psi, "PSI", limits.psi)
        drawn["approval"] = _trend(version, windows, _approval, "share approved", None)
    if len(windows) > 1 and version.groups:
        drawn["impact"] = _trend(version, windows, _ratios, "adverse impact ratio", limits.four_fifths)
    if version.outcomes:
        drawn["calibration"] = plots.calibration(version.outcomes.vintages)
    return {name: Markup(svg) for name, svg in drawn.items()}  # noqa: S704


def _trend(version: VersionMonitored, windows: Sequence[Monitored], of: Figure, what: str, limit: float | None) -> str:
    """The figures of one version over those windows; None where it decided nothing."""
    found = [next((v for v in each.versions if v.version == version.version), None) for each in windows]
    figures = [of(each) if each else {} for each in found]
    names = dict.fromkeys(name for each in figures for name in each)
    lines = {name: [each.get(name) for each in figures] for name in names}
    return plots.trend([str(each.last) for each in windows], lines, what, limit)


def _psi(version: VersionMonitored) -> dict[str, float | None]:
    return {"score": version.score.psi} | {name: seen.psi for name, seen in version.columns.items()}


def _approval(version: VersionMonitored) -> dict[str, float | None]:
    return {"approvals": version.approval_rate.value}


def _ratios(version: VersionMonitored) -> dict[str, float | None]:
    return {
        f"{column}: {group.group}": group.adverse_impact_ratio.value
        for column, groups in version.groups.items()
        for group in groups
        if group.adverse_impact_ratio
    }
