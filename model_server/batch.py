"""Files of applications: the data plane's endpoint for files of any format, read and written a batch at a time."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from model_server.dataplane import DataPlane
from model_server.errors import ServeError
from model_server.tensors import DEFAULT_OUTPUTS, OUTPUTS, InferRequest, Output, Tensor
from tabular_model.data import Parser, Rows, open_rows, writing
from tabular_model.errors import DataError
from tabular_model.levels import words
from tabular_model.schema import Column

MOST_ROWS = 1 << 22  # of one batch, which a reader of text cuts by its bytes
_ANSWERS = [
    pa.field("probability", pa.float64()),
    pa.field("decision", pa.int64()),
    pa.field("model_version", pa.string()),
    pa.field("reason_codes", pa.list_(pa.string())),
]


class Scoring:
    """One file and the version that scores it; DataError where they do not fit."""

    def __init__(self, plane: DataPlane, version: str | None, rows: Rows, explain: bool = False) -> None:
        self._plane = plane
        self._served = plane.repository.get(version)
        self._model = self._served.model
        self._rows = rows
        self._outputs = OUTPUTS if explain else DEFAULT_OUTPUTS
        self._answers = _ANSWERS if explain else _ANSWERS[:-1]
        self._columns = [column for column in self._model.columns if not column.optional or column.name in rows.names]
        rows.require([column.name for column in self._columns])
        taken = [field.name for field in self._answers if field.name in rows.names]
        if taken:
            raise DataError(
                f"{rows.source} already has a column {', '.join(taken)}, which the output also has; rename it."
            )

    @property
    def schema(self) -> pa.Schema:
        """The columns of the file, and the answers after them."""
        schema = self._rows.schema
        for field in self._answers:
            schema = schema.append(field)
        return schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The rows unchanged, with their results; DataError names a value that cannot be scored."""
        parser = Parser(self._columns)
        for batch in self._rows:
            if batch.rows.num_rows:
                tensors = _tensors(self._columns, parser.matrix(batch))
                try:
                    response = self._plane.infer(self._served, InferRequest("", tensors, self._outputs))
                except ServeError as error:
                    row = batch.place.row(0)
                    raise DataError(
                        f"{batch.place.file}, {row} and following (rows are counted from there): {error}"
                    ) from error
                yield self._answered(batch.rows, response.outputs)

    def _answered(self, rows: pa.RecordBatch, outputs: list[Output]) -> pa.RecordBatch:
        answers = {output.name: output.values for output in outputs}
        answers["model_version"] = [self._model.version] * rows.num_rows
        if "reason_codes" in answers:  # which are padded to the same number for each row
            answers["reason_codes"] = [[code for code in codes if code] for codes in answers["reason_codes"]]
        columns = [pa.array(answers[field.name], field.type) for field in self._answers]
        return pa.RecordBatch.from_arrays([*rows.columns, *columns], schema=self.schema)


def predict(
    plane: DataPlane,
    version: str | None,
    source: str,
    target: str,
    *,
    explain: bool = False,
    overwrite: bool = False,
    say: Callable[[str], object],
) -> Iterator[tuple[int, int | None]]:
    """Writes each row of `source` unchanged, with its probability, decision and model version beside it.

    With `explain` its reason codes stand there too. Yields the rows done with each batch, and the rows in all where
    the files say so; what is odd about the files is said by `say`. DataError names the row and column of a value that
    cannot be scored; `target` is then not there.
    """
    with open_rows(source) as rows:
        for note in rows.notes:
            say(note)
        scoring = Scoring(plane, version, rows, explain)
        with writing(target, scoring.schema, rows, overwrite) as writer:
            for scored in scoring:
                writer.write(scored)
                yield scored.num_rows, rows.count


def _tensors(columns: list[Column], matrix: NDArray[np.float64]) -> list[Tensor]:
    return [_tensor(column, np.ascontiguousarray(values)) for column, values in zip(columns, matrix.T, strict=True)]


def _tensor(column: Column, values: NDArray[np.float64]) -> Tensor:
    """A number as it is; of a category its level, None where it is missing."""
    if column.type != "category":
        return Tensor(column.name, "FP64", [len(values)], values)
    return Tensor(column.name, "BYTES", [len(values)], words(column, values, None).tolist())
