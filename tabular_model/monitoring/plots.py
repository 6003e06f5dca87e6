"""The figures of the monitoring report, each as a self-contained SVG element."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tabular_model.monitoring.drift import Seen
from tabular_model.monitoring.quality import Vintage
from tabular_model.plots import ACROSS, APPROVED, LINE, NEUTRAL, REJECTED, blank, styled

COLORS = (LINE, APPROVED, REJECTED, "#b08a2e", "#6a5acd", "#4f8fc0", "#8c5a3c", "#5f7f3a")
NAMED = 8  # lines that have a color and a name of their own

Lines = Mapping[str, Sequence[float | None]]


@styled
def trend(windows: Sequence[str], lines: Lines, what: str, limit: float | None = None) -> Figure:
    """A line for each name over the windows, None where there is no value, and the limit."""
    figure, axes = blank(width=10, height=3)
    named = sorted(lines, key=lambda name: -max((value or 0 for value in lines[name]), default=0))[:NAMED]
    for color, name in zip(COLORS, named, strict=False):
        values = [np.nan if value is None else value for value in lines[name]]
        axes.plot(range(len(windows)), values, "o-", color=color, markersize=4, label=name)
    if limit is not None:
        axes.axhline(limit, color=REJECTED, linestyle="--", linewidth=1, label=f"limit {limit:g}")
    _name_windows(axes, windows)
    axes.set(ylabel=what)
    axes.set_ylim(bottom=0)
    figure.legend(loc="outside right upper", fontsize=8)
    return figure


@styled
def calibration(vintages: Sequence[Vintage]) -> Figure:
    """By vintage the share of good outcomes, with its interval, beside the one promised."""
    figure, axes = blank(width=10, height=3)
    place = np.arange(len(vintages))
    low, value, high = (
        np.array([getattr(each.observed, name) for each in vintages], np.float64) for name in ("low", "value", "high")
    )
    axes.errorbar(place, value, (value - low, high - value), fmt="o", color=LINE, capsize=3, label="good outcomes")
    axes.plot(place, [each.promised for each in vintages], "D", color=NEUTRAL, label="promised")
    axes.set_xticks(place, [each.month for each in vintages])
    axes.set_xlim(-0.5, len(vintages) - 0.5)
    axes.set(ylabel="share of the approved")
    figure.legend(loc="outside right upper", fontsize=8)
    return figure


@styled
def distributions(columns: Mapping[str, Seen]) -> Figure:
    """The share of rows in each bin of each column, beside that of the training rows."""
    rows = -(-len(columns) // ACROSS)
    figure = Figure(figsize=(10, 1.9 * rows), layout="constrained")
    for number, (name, seen) in enumerate(columns.items()):
        axes = figure.add_subplot(rows, ACROSS, number + 1)
        place = np.arange(len(seen.counts))
        for counts, color, label in ((seen.reference, NEUTRAL, "training"), (seen.counts, APPROVED, "window")):
            share = np.array(counts) / max(1, sum(counts))
            axes.step(place, share, where="mid", color=color, label=label)
            axes.fill_between(place, share, step="mid", color=color, alpha=0.2)
        axes.set_title(name.replace("_", " "), fontsize=9, color="#39434d")
        axes.set_xticks([0, len(place) - 1], [f"{seen.edges[0]:g}", f"{seen.edges[-1]:g}"])
        axes.set_yticks([])
        axes.set_ylim(bottom=0)
        axes.grid(visible=False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower right", ncols=2)
    return figure


def _name_windows(axes: Axes, windows: Sequence[str]) -> None:
    shown = range(0, len(windows), 1 + (len(windows) - 1) // 12)
    axes.set_xticks(list(shown), [windows[i] for i in shown])
    axes.set_xlim(-0.3, len(windows) - 0.7)
