"""JSON lines: one object a line, each value kept as it is written."""

from collections.abc import Iterator
from itertools import islice

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tabular_model.data.dialect import encoding_of, text
from tabular_model.data.place import Batch, Place
from tabular_model.data.source import Part
from tabular_model.errors import DataError, first_line

Record = dict[str, msgspec.Raw]
_ROWS = 65_536
_decode = msgspec.json.Decoder(Record).decode
_decode_text = msgspec.json.Decoder(str).decode


class JsonLines:
    """A file of JSON objects. All columns are arrow's JSON type: the text of each value, such as `1.50` or `"x"`.

    The columns are the keys of the first 65 536 objects; a key that comes up later is refused.
    """

    count = None

    def __init__(self, part: Part) -> None:
        self._part = part
        encoding = encoding_of(part)
        self._encoding = encoding.name
        self.notes = [encoding.note] if encoding.note else []
        names: dict[str, None] = {}
        for _, record in islice(self._records(), _ROWS):
            names.update(dict.fromkeys(record))
        self.schema = pa.schema([(name, pa.json_()) for name in names])

    def batches(self) -> Iterator[Batch]:
        """Up to 65 536 objects each; DataError names a line that is no JSON object, or has a key that is no column."""
        records, names, first = self._records(), set(self.schema.names), 0
        while chunk := list(islice(records, _ROWS)):
            for line, record in chunk:
                if not names.issuperset(record):
                    new = next(name for name in record if name not in names)
                    raise DataError(
                        f"{self._part.name}, line {line}: has the key {new}, which the lines above do not have."
                    )
            columns = [self._column(name, chunk) for name in self.schema.names]
            place = Place(self._part.name, first, self._lines, delimiter="")
            yield Batch(pa.RecordBatch.from_arrays(columns, schema=self.schema), place)
            first += len(chunk)

    def _column(self, name: str, chunk: list[tuple[int, Record]]) -> pa.Array:
        values = [None if (value := record.get(name)) is None else bytes(value) for _, record in chunk]
        return pa.ExtensionArray.from_storage(pa.json_(), pa.array(values, pa.string()))

    def _records(self) -> Iterator[tuple[int, Record]]:
        number = 0
        try:
            with text(self._part.path, self._encoding) as stream:
                for number, line in enumerate(stream, 1):
                    if line.strip():
                        yield number, _decode(line)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise DataError(f"{self._part.name}, line {number}: is not a JSON object ({first_line(error)}).") from None

    def _lines(self, number: int) -> tuple[int, int]:
        line = next(islice(self._records(), number, None))[0]
        return line, line


def unquoted(column: pa.Array) -> pa.Array:
    """The values of a column of JSON as text: strings without their quotes, null where a value is null."""
    stored = column.storage
    if not pc.any(pc.match_substring_regex(stored, '^["n]')).as_py():
        return stored
    if pc.any(pc.match_substring(stored, "\\")).as_py():
        return pa.array([_unquoted(value) for value in stored.to_pylist()], pa.string())
    known = pc.if_else(pc.equal(stored, "null"), None, stored)
    return pc.replace_substring_regex(known, '^"((?s:.*))"$', r"\1")


def _unquoted(value: str | None) -> str | None:
    if value is None or value == "null":
        return None
    return _decode_text(value) if value[0] == '"' else value
