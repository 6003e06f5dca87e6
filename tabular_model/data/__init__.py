"""Data files as they come: one reader for training and scoring, and a writer."""

from tabular_model.data.cells import Parser, target, text_of
from tabular_model.data.place import Batch, Place
from tabular_model.data.reader import Rows, open_rows, read, require
from tabular_model.data.source import NoFile
from tabular_model.data.writer import Writer, writing

__all__ = [
    "Batch",
    "NoFile",
    "Parser",
    "Place",
    "Rows",
    "Writer",
    "open_rows",
    "read",
    "require",
    "target",
    "text_of",
    "writing",
]
