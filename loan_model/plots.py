"""The report's figures, each as an SVG element that stands on its own."""

import io
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from loan_model.evaluate import Bin, Segment
from loan_model.schema import SCHEMA

APPROVED, REJECTED, NEUTRAL, LINE = "#1f7a6d", "#c8553d", "#8a94a0", "#2f4858"
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "loan-model",
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
P = ParamSpec("P")

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def _styled(draw: Callable[P, Figure]) -> Callable[P, str]:
    """Makes a function that draws a figure one that returns its SVG element."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> str:
        with mpl.rc_context(STYLE):
            written = io.StringIO()
            draw(*args, **kwargs).savefig(written, format="svg", transparent=True, metadata=METADATA)
        return written.getvalue()[written.getvalue().index("<svg") :]

    return drawn


@_styled
def roc(target: Integers, score: Floats, threshold: float) -> Figure:
    """The ROC curve, with the point of the decision threshold."""
    order = np.argsort(-score, kind="stable")
    last_of_score = np.append(np.diff(score[order]) != 0, True)
    caught = np.append(0, (target[order].cumsum() / target.sum())[last_of_score])
    falsely = np.append(0, ((1 - target[order]).cumsum() / (1 - target).sum())[last_of_score])
    approved = score >= threshold
    figure, axes = _figure()
    axes.plot([0, 1], [0, 1], color=NEUTRAL, linestyle=":", label="chance")
    axes.plot(falsely, caught, color=LINE, label="holdout")
    point = approved[target == 0].mean(), approved[target == 1].mean()
    axes.plot(*point, "o", color=APPROVED, label=f"at the threshold {threshold:g}")
    axes.set(xlabel="false approval rate", ylabel="true approval rate", aspect="equal")
    axes.legend(loc="lower right")
    return figure


@_styled
def scores(target: Integers, score: Floats, threshold: float) -> Figure:
    """How often each probability is given to rows that were approved and to rows that were rejected."""
    bins = np.linspace(0, 1, 41).tolist()
    figure, axes = _figure()
    axes.hist(score[target == 0], bins, color=REJECTED, alpha=0.65, label="rejected")
    axes.hist(score[target == 1], bins, color=APPROVED, alpha=0.65, label="approved")
    axes.axvline(threshold, color=LINE, linestyle="--", linewidth=1, label=f"threshold {threshold:g}")
    axes.set(xlabel="probability of approval", ylabel="rows of the holdout", xlim=(0, 1))
    axes.legend()
    return figure


@_styled
def reliability(bins: list[Bin]) -> Figure:
    """The share approved, with its interval, against the mean probability of each bin."""
    figure, axes = _figure()
    axes.plot([0, 1], [0, 1], color=NEUTRAL, linestyle=":", label="perfect")
    predicted = [each.predicted for each in bins]
    low, value, high = (
        np.array([getattr(each.observed, name) for each in bins], dtype=np.float64) for name in ("low", "value", "high")
    )
    axes.errorbar(predicted, value, (value - low, high - value), fmt="o-", color=LINE, capsize=2, label="holdout")
    axes.set(xlabel="mean probability", ylabel="share approved", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.legend(loc="upper left")
    return figure


@_styled
def importance(by_column: dict[str, float]) -> Figure:
    """How much AUC is lost when a column's values are permuted, the most important on top."""
    names = sorted(by_column, key=lambda name: by_column[name])
    figure, axes = _figure()
    axes.barh([_words(name) for name in names], [by_column[name] for name in names], color=LINE, height=0.6)
    axes.set(xlabel="AUC lost when permuted")
    axes.grid(axis="y", visible=False)
    return figure


@_styled
def segments(found: list[Segment]) -> Figure:
    """Per segment the share that the model approves beside the share that was approved."""
    figure, axes = _figure(height=2.9, width=10)
    place = np.arange(len(found))
    axes.bar(place - 0.2, [each.quality.approved for each in found], 0.38, color=NEUTRAL, label="were approved")
    axes.bar(place + 0.2, [each.approval_rate for each in found], 0.38, color=APPROVED, label="the model approves")
    axes.set_xticks(place, [each.band for each in found])
    axes.set(ylabel="share of rows", ylim=(0, 1))
    axes.grid(axis="x", visible=False)
    axes.legend(ncols=2, loc="upper right")
    return figure


@_styled
def columns(frame: pd.DataFrame, target: Integers) -> Figure:
    """Each column's values, of the approved on those of the rejected."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    for i, column in enumerate(SCHEMA.columns):
        axes = figure.add_subplot(2, 4, i + 1)
        values = frame[column.name].to_numpy()
        split = [values[(target == outcome) & ~np.isnan(values)] for outcome in (0, 1)]
        width = max(1, round((column.maximum - column.minimum) / 30))  # whole, as most values are
        edges = np.arange(column.minimum, column.maximum + 2 * width, width) - 0.5
        axes.hist(
            [values.clip(edges[0], edges[-1]) for values in split],
            edges.tolist(),
            stacked=True,
            color=[REJECTED, APPROVED],
            label=["rejected", "approved"],
        )
        axes.set_title(_words(column.name), fontsize=9, color="#39434d")
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.set_yticks([])
        axes.grid(visible=False)
    figure.legend(*axes.get_legend_handles_labels(), loc="lower right", bbox_to_anchor=(0.98, 0.15))
    return figure


def _figure(width: float = 5.0, height: float = 3.6) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _words(name: str) -> str:
    return name.replace("_", " ")
