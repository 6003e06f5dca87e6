"""`report.html`: a version's results for people, in one file that needs no network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from tabular_model import plots
from tabular_model.metrics import Estimate
from tabular_model.points import Card
from tabular_model.results import Results
from tabular_model.schema import Column, Schema

FILE = "report.html"
TEMPLATE = Path(__file__).with_name("report.html.j2")
STYLE = Path(__file__).with_name("report.css")


def render(
    results: Results,
    model: str,
    schema: Schema,
    facts: Mapping[str, str],
    frame: pd.DataFrame,
    target: NDArray[np.int64],
    holdout: tuple[NDArray[np.int64], NDArray[np.float64]],
    card: Card | None = None,
) -> bytes:
    """The page about a version of `model`.

    `facts` tell how it was made, `frame` and `target` are all rows of the data, and
    `holdout` is the target and the score of the rows that were held out; `card` is a scorecard's table of points.
    """
    threshold = results.threshold.value
    drawn = {
        "roc": plots.roc(*holdout, threshold),
        "scores": plots.scores(*holdout, threshold),
        "reliability": plots.reliability(results.reliability),
        "importance": plots.importance(results.importance),
        "columns": plots.columns(schema, frame, target),
    }
    segments = {name: Markup(plots.segments(found)) for name, found in results.segments.items()}  # noqa: S704
    return page(
        TEMPLATE,
        results=results,
        model=model,
        facts=facts,
        card=card,
        columns=[_summary(column, frame[column.name]) for column in schema.columns],
        rows=len(frame),
        approved=float(target.mean()),
        plots={name: Markup(svg) for name, svg in drawn.items()},  # noqa: S704
        segment_plots=segments,
    )


def page(template: Path, **content: Any) -> bytes:
    """The page that a template makes of its content, in the style that all reports have."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {
        "estimate": _estimate,
        "interval": _interval,
        "number": _number,
        "share": _share,
        "expected": _expected,
    }
    style = Markup(STYLE.read_text("utf-8"))  # noqa: S704
    return environment.from_string(template.read_text("utf-8")).render(style=style, **content).encode()


def _summary(column: Column, values: pd.Series) -> dict[str, Any]:
    """What the table says of a column; a category has a most frequent level in place of the figures."""
    summary: dict[str, Any] = {"column": column, "missing": float(values.isna().mean()), "figures": None}
    if column.type == "category":
        counts = values.value_counts()
        return summary | {"level": column.levels[int(counts.index[0])], "share": float(counts.iloc[0] / len(values))}
    return summary | {"figures": [values.min(), values.median(), values.mean(), values.max()]}


def _estimate(estimate: Estimate) -> str:
    return "–" if estimate.value is None else f"{estimate.value:.3f}"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return "undetermined"
    return f"{estimate.low:.3f} to {estimate.high:.3f}"


def _number(value: float) -> str:
    """Whole from a hundred up, two decimals at most below, thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}".replace(",", "\u202f")
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _expected(column: Column) -> str:
    if column.range:
        return f"{_number(column.minimum)} to {_number(column.maximum)}"
    return f"{len(column.levels)} levels" if column.levels else "true or false"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"
