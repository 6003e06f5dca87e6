"""The card as Markdown, with GitHub's tables; figures are left out, as the tables beside them say the same."""

import re
from collections.abc import Iterator, Sequence

from tabular_model.card.document import Alarm, Block, Document, Figure, Points, Table, Text

_SPECIAL = re.compile(r"[\\`*#<>|\[\]&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def markdown(document: Document) -> str:
    """The text; what is not the program's own is escaped."""
    lead = document.lead
    blocks = [
        f"# {_plain(document.title)}",
        _plain(document.subtitle),
        f"**{_plain(lead.title)}**",
        _listed(lead.sentences),
    ]
    for section in document.sections:
        blocks.append(f"## {_plain(section.title)}")
        blocks += [written for block in section.blocks for written in _written(block)]
    return "\n\n".join(blocks) + "\n"


def _written(block: Block) -> Iterator[str]:
    match block:
        case Text(text):
            yield _plain(text)
        case Points(points):
            yield _listed(points)
        case Table(head, rows, _):
            width = len(head) or len(rows[0])
            aligned = "|".join("---" for _ in range(width))
            yield "\n".join([_row(head or [""] * width), f"|{aligned}|", *map(_row, rows)])
        case Figure():
            return


def _listed(points: Sequence[str]) -> str:
    return "\n".join(f"- {_cell(point)}" for point in points)


def _row(cells: Sequence[str]) -> str:
    return "|" + "|".join(f" {_cell(cell)} " for cell in cells) + "|"


def _cell(cell: str) -> str:
    return f"**{_plain(cell)}**" if isinstance(cell, Alarm) else _plain(cell)


def _plain(text: str) -> str:
    """In one line, with a backslash before each character that Markdown would take for markup."""
    return _SPECIAL.sub(lambda found: "\\" + found[0], " ".join(text.split()))
