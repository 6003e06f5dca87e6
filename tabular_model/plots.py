"""The report's figures, each as a self-contained SVG element."""

import io
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from tabular_model.alternatives import Alternative
from tabular_model.evaluate import Bin, Segment
from tabular_model.schema import Column, Schema
from tabular_model.tradeoffs import Tradeoff

APPROVED, REJECTED, NEUTRAL, LINE = "#1f7a6d", "#c8553d", "#8a94a0", "#2f4858"
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tabular-model",
    "font.family": "sans-serif",
    "font.sans-serif": ["system-ui", "Segoe UI", "Helvetica", "Arial", "DejaVu Sans", "sans-serif"],
    "font.size": 9,
    "axes.edgecolor": "#b8c0c8",
    "axes.labelcolor": "#39434d",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8ecef",
    "xtick.color": "#59636e",
    "ytick.color": "#59636e",
    "legend.frameon": False,
}
METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}  # names no site and no hour
ACROSS = 4  # columns beside each other
MOST = 20  # columns whose importance is drawn
NAMED = 8  # levels named below a category's bars
LONGEST = 12  # characters of such a name
WIDEST = 30  # characters of a column's name above its figure
P = ParamSpec("P")

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def styled(draw: Callable[P, Figure]) -> Callable[P, str]:
    """Makes a function that draws a figure one that returns its SVG element."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> str:
        with mpl.rc_context(STYLE):
            written = io.StringIO()
            draw(*args, **kwargs).savefig(written, format="svg", transparent=True, metadata=METADATA)
        return written.getvalue()[written.getvalue().index("<svg") :]

    return drawn


@styled
def roc(target: Integers, score: Floats, threshold: float) -> Figure:
    """The ROC curve, with the point of the decision threshold."""
    order = np.argsort(-score, kind="stable")
    last_of_score = np.append(np.diff(score[order]) != 0, True)
    caught = np.append(0, (target[order].cumsum() / target.sum())[last_of_score])
    falsely = np.append(0, ((1 - target[order]).cumsum() / (1 - target).sum())[last_of_score])
    approved = score >= threshold
    figure, axes = blank()
    axes.plot([0, 1], [0, 1], color=NEUTRAL, linestyle=":", label="chance")
    axes.plot(falsely, caught, color=LINE, label="holdout")
    point = approved[target == 0].mean(), approved[target == 1].mean()
    axes.plot(*point, "o", color=APPROVED, label=f"at the threshold {threshold:g}")
    axes.set(xlabel="false approval rate", ylabel="true approval rate", aspect="equal")
    axes.legend(loc="lower right")
    return figure


@styled
def scores(target: Integers, score: Floats, threshold: float) -> Figure:
    """How often each probability is given to rows that were approved and to rows that were rejected."""
    bins = np.linspace(0, 1, 41).tolist()
    figure, axes = blank()
    axes.hist(score[target == 0], bins, color=REJECTED, alpha=0.65, label="rejected")
    axes.hist(score[target == 1], bins, color=APPROVED, alpha=0.65, label="approved")
    axes.axvline(threshold, color=LINE, linestyle="--", linewidth=1, label=f"threshold {threshold:g}")
    axes.set(xlabel="probability of approval", ylabel="rows of the holdout", xlim=(0, 1))
    axes.legend()
    return figure


@styled
def reliability(bins: list[Bin]) -> Figure:
    """The share approved, with its interval, against the mean probability of each bin."""
    figure, axes = blank()
    axes.plot([0, 1], [0, 1], color=NEUTRAL, linestyle=":", label="perfect")
    predicted = [each.predicted for each in bins]
    low, value, high = (
        np.array([getattr(each.observed, name) for each in bins], dtype=np.float64) for name in ("low", "value", "high")
    )
    axes.errorbar(predicted, value, (value - low, high - value), fmt="o-", color=LINE, capsize=2, label="holdout")
    axes.set(xlabel="mean probability", ylabel="share approved", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.legend(loc="upper left")
    return figure


@styled
def importance(by_column: dict[str, float]) -> Figure:
    """How much AUC is lost when a column's values are permuted, the most important on top."""
    names = sorted(by_column, key=lambda name: by_column[name])[-MOST:]
    figure, axes = blank()
    axes.barh([_words(name) for name in names], [by_column[name] for name in names], color=LINE, height=0.6)
    axes.set(xlabel="AUC lost when permuted")
    axes.grid(axis="y", visible=False)
    return figure


@styled
def segments(found: list[Segment]) -> Figure:
    """Per segment the share that the model approves beside the share that was approved."""
    figure, axes = blank(height=2.9, width=10)
    place = np.arange(len(found))
    axes.bar(place - 0.2, [each.quality.approved for each in found], 0.38, color=NEUTRAL, label="were approved")
    axes.bar(place + 0.2, [each.approval_rate for each in found], 0.38, color=APPROVED, label="the model approves")
    axes.set_xticks(place, [each.band for each in found])
    axes.set(ylabel="share of rows", ylim=(0, 1))
    axes.grid(axis="x", visible=False)
    axes.legend(ncols=2, loc="upper right")
    return figure


@styled
def tradeoffs(found: list[Tradeoff], best: list[Tradeoff], column: str, threshold: float, least: float) -> Figure:
    """The lowest impact ratio of a protected column by approval rate, and beside the AUC of the decision.

    `best` are those on the frontier, `least` is the ratio below which there is a finding.
    """
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    by_rate, by_quality = figure.subplots(1, 2)
    rates = [each.approval_rate for each in found]
    low, value, high = (
        np.array([getattr(each.lowest[column].ratio, name) for each in found], dtype=np.float64)
        for name in ("low", "value", "high")
    )
    by_rate.fill_between(rates, low, np.minimum(high, 1), color=LINE, alpha=0.15, linewidth=0)
    by_rate.plot(rates, value, "o-", color=LINE, markersize=3)
    by_rate.set(xlabel="share that the model approves", xlim=(0, 1))
    quality = [each.decision_auc for each in found]
    by_quality.plot(quality, value, "o", color=NEUTRAL, markersize=4, label="other thresholds")
    by_quality.plot(
        [each.decision_auc for each in best],
        [each.lowest[column].ratio.value for each in best],
        "o",
        color=APPROVED,
        markersize=5,
        label="on the frontier",
    )
    by_quality.set(xlabel="AUC of the decision")
    own = [i for i, each in enumerate(found) if each.threshold == threshold]
    for axes, across in ((by_rate, rates), (by_quality, quality)):
        axes.plot([across[i] for i in own], value[own], "s", color=REJECTED, markersize=8, mfc="none", label="in use")
        axes.axhline(least, color=REJECTED, linestyle="--", linewidth=1, label=f"{least:g}")
        axes.set(ylabel="lowest adverse impact ratio", ylim=(0, 1.05))
    figure.legend(*by_quality.get_legend_handles_labels(), loc="outside right center")
    return figure


@styled
def alternatives(sets: Sequence[Alternative], best: Sequence[int], column: str, least: float) -> Figure:
    """Sets of columns by AUC and by the lowest impact ratio of a protected column; the first is the version.

    `best` are the places of those on the frontier, `least` is the ratio below which there is a finding.
    """
    figure, axes = blank(height=4.2, width=10)
    for place, each in enumerate(sets):
        lowest = each.at.lowest[column].ratio if column in each.at.lowest else None
        if lowest is None or each.auc.value is None or lowest.value is None:
            continue
        at, color = (each.auc.value, lowest.value), APPROVED if place in best else NEUTRAL
        across, along = (np.array([found.low, found.high], dtype=np.float64) for found in (each.auc, lowest))
        axes.plot(across, [at[1]] * 2, color=color, alpha=0.25, linewidth=1)
        axes.plot([at[0]] * 2, along, color=color, alpha=0.25, linewidth=1)
        axes.plot(*at, "o", color=color, markersize=6 if place in best else 4)
        if place in best or not place:
            beside = (7, 4) if place % 2 else (-16, -10)  # so that numbers of sets that are alike stand apart
            axes.annotate(str(place), at, xytext=beside, textcoords="offset points", color="#39434d")
        if not place:
            axes.plot(*at, "s", color=REJECTED, markersize=10, mfc="none")
    axes.axhline(least, color=REJECTED, linestyle="--", linewidth=1)
    axes.set(xlabel="AUC", ylabel="lowest adverse impact ratio")
    named = (("the version", "s", REJECTED, "none"), ("on the frontier", "o", APPROVED, None))
    keys = [Line2D([], [], linestyle="", marker=m, color=c, mfc=f or c, label=label) for label, m, c, f in named]
    others = Line2D([], [], linestyle="", marker="o", color=NEUTRAL, label="other sets")
    line = Line2D([], [], color=REJECTED, linestyle="--", linewidth=1, label=f"{least:g}")
    figure.legend(handles=[*keys, others, line], loc="outside right center")
    return figure


@styled
def columns(schema: Schema, frame: pd.DataFrame, target: Integers) -> Figure:
    """Each column's values, of the approved on those of the rejected."""
    rows = len(schema) // ACROSS + 1  # one place is left for the legend
    figure = Figure(figsize=(10, 2.2 * rows), layout="constrained")
    for i, column in enumerate(schema.columns):
        axes = figure.add_subplot(rows, ACROSS, i + 1)
        values = frame[column.name].to_numpy()
        edges = _edges(column)
        axes.hist(
            [values[(target == outcome) & ~np.isnan(values)].clip(edges[0], edges[-1]) for outcome in (0, 1)],
            edges.tolist(),
            stacked=True,
            color=[REJECTED, APPROVED],
            label=["rejected", "approved"],
        )
        axes.set_title(_shortened(_words(column.name), WIDEST), fontsize=9, color="#39434d")
        axes.set_yticks([])
        axes.grid(visible=False)
        if column.type == "category":
            _name_levels(axes, column.levels)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=column.maximum - column.minimum > 4))
    figure.legend(*axes.get_legend_handles_labels(), loc="lower right", bbox_to_anchor=(0.98, 0.3 / rows))
    return figure


def _edges(column: Column) -> Floats:
    """About thirty bins over the column's range; whole ones where the range is wide, as most values are whole."""
    spread = column.maximum - column.minimum
    if not column.whole and spread < 30:
        return np.linspace(column.minimum, column.maximum, 31)
    width = max(1, round(spread / 30))
    return np.asarray(np.arange(column.minimum, column.maximum + 2 * width, width) - 0.5, dtype=np.float64)


def _name_levels(axes: Axes, levels: tuple[str, ...]) -> None:
    """Names those levels for which there is room."""
    shown = range(0, len(levels), 1 + (len(levels) - 1) // NAMED)
    axes.set_xticks(list(shown), [_shortened(levels[i], LONGEST) for i in shown], rotation=30, ha="right", fontsize=7)


def blank(width: float = 5.0, height: float = 3.6) -> tuple[Figure, Axes]:
    """A figure of so many inches, and its axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _words(name: str) -> str:
    return name.replace("_", " ")
