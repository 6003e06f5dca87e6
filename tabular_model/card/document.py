"""A document for people, before it is HTML or Markdown: sections of paragraphs, lists, tables and figures."""

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Alarm(str):
    """A cell or a sentence that the reader must not miss."""


class Text(NamedTuple):
    """A paragraph."""

    text: str


class Points(NamedTuple):
    """A list of sentences."""

    points: Sequence[str]


class Table(NamedTuple):
    """Rows of as many cells as the head has; with an empty head the first cell of a row names the others.

    `words` are tables of sentences rather than of figures.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: bool = False


class Figure(NamedTuple):
    """`draw` gives an SVG element; a format without pictures leaves it out, so that a table beside it says the same."""

    title: str
    caption: str
    draw: Callable[[], str]


Block = Text | Points | Table | Figure


class Section(NamedTuple):
    """Blocks under a title."""

    title: str
    blocks: Sequence[Block]


class Lead(NamedTuple):
    """What is read first: whether the version may be used, in a few words, and why."""

    passed: bool
    title: str
    sentences: Sequence[str]


class Document(NamedTuple):
    """`subtitle` is one line below the title."""

    title: str
    subtitle: str
    lead: Lead
    sections: Sequence[Section]
