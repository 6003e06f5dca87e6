"""Excel workbooks, by the optional package python-calamine."""

import importlib
from collections.abc import Iterator
from datetime import date
from typing import Any

import pyarrow as pa

from tabular_model.data.place import Batch, Place
from tabular_model.data.source import Part
from tabular_model.errors import DataError, first_line

_ROWS = 65_536


class Excel:
    """The first sheet of a workbook that is not empty. All columns are text, numbers in their shortest form.

    A sheet has at most 1 048 576 rows and is read as a whole.
    """

    def __init__(self, part: Part) -> None:
        self._part = part
        sheet, rows = _first_sheet(part)
        names = [_text(cell) for cell in rows[0]]
        self._rows = [[_text(cell) for cell in row] for row in rows[1:]]
        while names[-1] == "" and not any(row[-1] for row in self._rows):
            names.pop()
            self._rows = [row[:-1] for row in self._rows]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            shown = twice[0] or "(unnamed)"
            raise DataError(f"{part.name} has the column {shown} more than once; column names must be unique.")
        self.schema = pa.schema([(name, pa.string()) for name in names])
        self.count = len(self._rows)
        self.notes = [f"{part.name} has several sheets; only {sheet} was read."] if sheet else []

    def batches(self) -> Iterator[Batch]:
        """Up to 65 536 rows each, from memory: the sheet was read when the file was opened."""
        for first in range(0, len(self._rows), _ROWS):
            columns = [pa.array(column, pa.string()) for column in zip(*self._rows[first : first + _ROWS], strict=True)]
            yield Batch(pa.RecordBatch.from_arrays(columns, schema=self.schema), Place(self._part.name, first))


def _first_sheet(part: Part) -> tuple[str, list[list[Any]]]:
    """The rows of the sheet, and its name where there are others."""
    try:
        calamine = importlib.import_module("python_calamine")
    except ModuleNotFoundError:
        raise DataError(f"{part.name} is an Excel file; to read it, install python-calamine.") from None
    try:
        with part.path.open("rb") as file:
            book = calamine.CalamineWorkbook.from_filelike(file)
            for name in book.sheet_names:
                if rows := book.get_sheet_by_name(name).to_python():
                    return name if len(book.sheet_names) > 1 else "", rows
    except calamine.CalamineError as error:
        raise DataError(f"{part.name} cannot be read as Excel: {first_line(error)}.") from None
    raise DataError(f"{part.name} is empty; it needs a line of column names, followed by rows.")


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, date) else str(cell)
