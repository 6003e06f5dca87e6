"""The card as HTML, in one file that needs no network."""

from pathlib import Path

from markupsafe import Markup

from tabular_model import page
from tabular_model.card.document import Alarm, Document, Figure, Points, Table, Text

TEMPLATE = Path(__file__).with_name("card.html.j2")


def html(document: Document) -> str:
    """The page; what is not the program's own is escaped."""
    environment = page.environment()
    environment.tests |= {
        "alarm": lambda cell: isinstance(cell, Alarm),
        "text": lambda block: isinstance(block, Text),
        "points": lambda block: isinstance(block, Points),
        "table": lambda block: isinstance(block, Table),
        "figure": lambda block: isinstance(block, Figure),
    }
    environment.filters["drawn"] = Markup
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(document=document)
