"""What the pages for people share: their style, and how figures are written."""

from pathlib import Path

import jinja2
from markupsafe import Markup

from tabular_model.metrics import Estimate

STYLE = Path(__file__).with_name("page.css")


def environment() -> jinja2.Environment:
    """Templates that escape what they are given, with the filters below and `style`, the page's CSS."""
    made = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    made.filters |= {"estimate": estimate, "interval": interval, "number": number, "share": share}
    made.globals["style"] = Markup(STYLE.read_text("utf-8").rstrip())  # noqa: S704
    return made


def estimate(found: Estimate) -> str:
    """The value with three decimals."""
    return "–" if found.value is None else f"{found.value:.3f}"


def interval(found: Estimate) -> str:
    """Where the interval begins and ends."""
    if found.low is None or found.high is None:
        return "undetermined"
    return f"{found.low:.3f} to {found.high:.3f}"


def number(value: float) -> str:
    """Whole from a hundred up, two decimals at most below, thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}".replace(",", "\u202f")
    return f"{value:.2f}".rstrip("0").rstrip(".")


def share(value: float | None) -> str:
    """In percent, with one decimal."""
    return "–" if value is None else f"{100 * value:.1f} %"
