"""Batches of applications: the data plane's endpoint for tables, as a file has and as an engine hands them over."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from model_server.codecs import records
from model_server.dataplane import DataPlane
from model_server.errors import InvalidInput, ServeError
from model_server.repository import Served
from model_server.tensors import DEFAULT_OUTPUTS, OUTPUTS, InferRequest, Tensor
from tabular_model.data import Batch, Parser, Place, Rows, open_rows, require, writing
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


class BatchScorer:
    """Scores the batches of one table; `fields` are the columns that it adds.

    DataError where the columns `names` of the table `source` are not those that the version needs.
    """

    def __init__(
        self, plane: DataPlane, served: Served, source: str, names: Sequence[str], explain: bool = False
    ) -> None:
        self.source = source
        self._plane = plane
        self._served = served
        self._model = served.model
        self._outputs = OUTPUTS if explain else DEFAULT_OUTPUTS
        self.fields = _ANSWERS if explain else _ANSWERS[:-1]
        self._columns = [column for column in self._model.columns if not column.optional or column.name in names]
        self._parser = Parser(self._columns)
        require(source, names, [column.name for column in self._columns])
        taken = [field.name for field in self.fields if field.name in names]
        if taken:
            raise DataError(f"{source} already has a column {', '.join(taken)}, which the output also has; rename it.")

    def check(self, batch: Batch) -> None:
        """DataError for a column of a type that holds no single values; `batch` may have no rows."""
        self._parser.matrix(batch)

    def answers(self, batch: Batch) -> list[pa.Array]:
        """An array [n] for each of `fields`.

        BadRows or InvalidRows, with the rows that cannot be scored; DataError for a column that holds no values.
        """
        tensors = _tensors(self._columns, self._parser.matrix(batch))
        response = self._plane.infer(self._served, InferRequest("", tensors, self._outputs))
        answers = {output.name: output.values for output in response.outputs}
        answers["model_version"] = [self._model.version] * batch.rows.num_rows
        if "reason_codes" in answers:  # which are padded to the same number for each row
            answers["reason_codes"] = [[code for code in codes if code] for codes in answers["reason_codes"]]
        return [pa.array(answers[field.name], field.type) for field in self.fields]

    def refusal(self, row: pa.RecordBatch) -> str:
        """Why a single row is refused: the sentence of `POST /predict`, or that of a file with this row alone."""
        application = {column.name: _as_json(column, row) for column in self._columns}
        expected = records.Expected(self._model.columns, self._served.signature.words, ignores_extra=False)
        try:
            records.check_records([application], expected)
            request = records.asked(records.from_records([application], expected), explain=False)
            self._plane.infer(self._served, request)
            self.answers(Batch(row, Place("The table", 0)))
        except (InvalidInput, DataError) as error:
            return str(error)
        return "Its numbers are not written as those of the rows beside it, with a decimal point or a decimal comma."


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
        scorer = BatchScorer(plane, plane.repository.get(version), rows.source, rows.names, explain)
        schema = pa.schema([*rows.schema, *scorer.fields])
        with writing(target, schema, rows, overwrite) as writer:
            for scored in _scored(scorer, rows, schema):
                writer.write(scored)
                yield scored.num_rows, rows.count


def _scored(scorer: BatchScorer, rows: Rows, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows unchanged, with their answers; DataError names a value that cannot be scored."""
    for batch in rows:
        if batch.rows.num_rows:
            try:
                answers = scorer.answers(batch)
            except ServeError as error:
                row = batch.place.row(0)
                raise DataError(
                    f"{batch.place.file}, {row} and following (rows are counted from there): {error}"
                ) from error
            yield pa.RecordBatch.from_arrays([*batch.rows.columns, *answers], schema=schema)


def _tensors(columns: list[Column], matrix: NDArray[np.float64]) -> list[Tensor]:
    return [_tensor(column, np.ascontiguousarray(values)) for column, values in zip(columns, matrix.T, strict=True)]


def _tensor(column: Column, values: NDArray[np.float64]) -> Tensor:
    """A number as it is; of a category its level, None where it is missing."""
    if column.type != "category":
        return Tensor(column.name, "FP64", [len(values)], values)
    return Tensor(column.name, "BYTES", [len(values)], words(column, values, None).tolist())


def _as_json(column: Column, row: pa.RecordBatch) -> Any:
    """The value of a single row as a caller would write it in JSON: a number that is text as a number."""
    value = row.column(column.name)[0].as_py()
    if isinstance(value, str) and column.type != "category":
        with suppress(DataError):
            number = Parser([column]).matrix(Batch(row, Place("", 0))).item()
            return None if np.isnan(number) else bool(number) if column.type == "boolean" else number
        with suppress(ValueError):  # a number that the column does not allow
            return float(value)
    if isinstance(value, Decimal):
        return float(value)
    return str(value) if isinstance(value, bytes | date) else value
