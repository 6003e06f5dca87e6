"""One small data set, written in all the ways in which data scientists hand them over."""

import gzip
import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet

from tabular_model.schema import Column, Target

COLUMNS = (
    Column(name="Age", range=(18, 69), missing=True),
    Column(name="Income", range=(30_000, 200_000), missing=True),
    Column(name="Score", range=(300, 850), missing=True),
    Column(name="Years", type="integer", range=(1, 30)),
    Column(name="Defaulted", type="integer", range=(0, 1)),
    Column(name="Owner", type="boolean", missing=True),
    Column(name="Purpose", type="category", levels=("car", "debt paid", "other"), missing=True),
)
NAMES = tuple(column.name for column in COLUMNS)
TARGET = Target(name="Approved")
ROWS = 60


def frame(rows: int = ROWS) -> pd.DataFrame:
    """The data set: a column of ids, the model's columns, the target."""
    rng = np.random.default_rng(1)
    made = pd.DataFrame(
        {
            "Id": [f"{number:05}" for number in range(rows)],
            "Age": np.round(rng.uniform(18, 69, rows), 1),
            "Income": np.round(rng.uniform(30_000, 200_000, rows), 2),
            "Score": rng.integers(300, 850, rows).astype(float),
            "Years": rng.integers(1, 31, rows),
            "Defaulted": rng.integers(0, 2, rows),
            "Owner": rng.choice([True, False], rows),
            "Purpose": rng.choice(["car", "debt paid", "other"], rows),
            "Approved": rng.integers(0, 2, rows),
        }
    )
    made["Owner"] = made["Owner"].astype(object)
    for name in ("Age", "Score", "Owner", "Purpose"):
        made.loc[rng.permutation(rows)[: rows // 10], name] = None
    return made


def codes(made: pd.DataFrame) -> np.ndarray:
    """The matrix that every file of the data set holds."""
    purpose = made["Purpose"].map({"car": 0, "debt paid": 1, "other": 2})
    return made.assign(Purpose=purpose)[list(NAMES)].astype(float).to_numpy()


def csv(made: pd.DataFrame, **options: object) -> str:
    return str(made.to_csv(**{"index": False, **options}))


def decimal_comma(made: pd.DataFrame, thousands: str = "") -> pd.DataFrame:
    """Numbers as in Germany: 1.234,50."""
    return decimal_comma_of(made, ("Age", "Income", "Score"), thousands)


def decimal_comma_of(made: pd.DataFrame, names: Sequence[str], thousands: str = "") -> pd.DataFrame:
    def written(value: float) -> str:
        return "" if pd.isna(value) else f"{value:,.2f}".replace(",", "_").replace(".", ",").replace("_", thousands)

    return made.assign(**{name: made[name].map(written) for name in names})


def thousands(made: pd.DataFrame, separator: str = ",") -> pd.DataFrame:
    """Incomes as in 56,989, all of them whole: each comma by itself could be a decimal one."""
    return made.assign(Income=made["Income"].map(lambda value: f"{round(value):,}".replace(",", separator)))


def excel(made: pd.DataFrame, path: Path) -> None:
    """The least of a workbook that a reader takes: one sheet, its text within."""

    def cell(value: object) -> str:
        if value is None or pd.isna(value):
            return "<c/>"
        if isinstance(value, bool):
            return f'<c t="b"><v>{int(value)}</v></c>'
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        return f"<c><v>{value}</v></c>"

    rows = [list(made.columns), *made.astype(object).to_numpy().tolist()]
    sheet = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    with zipfile.ZipFile(path, "w") as book:
        book.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{relations}"><Relationship Id="a" Type="{office}/officeDocument" '
            f'Target="xl/workbook.xml"/></Relationships>',
        )
        book.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="Loans" sheetId="1" r:id="s"/>'
            f"</sheets></workbook>",
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{relations}"><Relationship Id="s" Type="{office}/worksheet" '
            f'Target="worksheets/sheet1.xml"/></Relationships>',
        )
        book.writestr(
            "xl/worksheets/sheet1.xml", f'<worksheet xmlns="{main}"><sheetData>{sheet}</sheetData></worksheet>'
        )


def arrow(made: pd.DataFrame) -> pa.Table:
    """Nullable, decimal and dictionary types."""
    table = pa.Table.from_pandas(made.assign(Owner=made["Owner"].astype("boolean")), preserve_index=False)
    cents = pa.array(made["Income"].map(lambda value: f"{value:.2f}")).cast(pa.decimal128(12, 2))
    table = table.set_column(table.schema.get_field_index("Income"), "Income", cents)
    purpose = table.column("Purpose").combine_chunks().dictionary_encode()
    return table.set_column(table.schema.get_field_index("Purpose"), "Purpose", purpose)


def _parts(made: pd.DataFrame, path: Path) -> None:
    path.mkdir()
    (path / "_SUCCESS").touch()
    pa.parquet.write_table(arrow(made[: ROWS // 2]), path / "part-0.parquet")
    pa.parquet.write_table(arrow(made[ROWS // 2 :]), path / "part-1.parquet")


def _csv_parts(made: pd.DataFrame, path: Path) -> None:
    path.mkdir()
    (path / "a.csv").write_text(csv(made[: ROWS // 2]))
    (path / "b.csv.gz").write_bytes(gzip.compress(csv(made[ROWS // 2 :][made.columns[::-1]]).encode()))


def _all_text(made: pd.DataFrame, path: Path) -> None:
    text = pa.csv.read_csv(
        io.BytesIO(csv(made).encode()),
        convert_options=pa.csv.ConvertOptions(column_types=dict.fromkeys(made.columns, pa.string())),
    )
    pa.parquet.write_table(text, path)


def _arrow_stream(made: pd.DataFrame, path: Path) -> None:
    table = arrow(made)
    with path.open("wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)


def _text(change: Callable[[pd.DataFrame], str], encoding: str = "utf-8") -> Callable[[pd.DataFrame, Path], None]:
    return lambda made, path: path.write_bytes(change(made).encode(encoding)) and None


def _mapped(**words: dict[object, str]) -> Callable[[pd.DataFrame], str]:
    return lambda made: csv(made.assign(**{name: made[name].map(words[name]) for name in words}))


# Each file by its name, and what writes it.
FILES: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "plain.csv": _text(csv),
    "CAPITALS.CSV": _text(csv),
    "no-suffix": _text(csv),
    "commas.txt": _text(csv),
    "semicolon.csv": _text(lambda made: csv(made, sep=";")),
    "tabs.tsv": _text(lambda made: csv(made, sep="\t")),
    "said.csv": _text(lambda made: "sep=;\n" + csv(decimal_comma(made), sep=";")),
    "bars.csv": _text(lambda made: csv(made, sep="|")),
    "decimal-comma.csv": _text(lambda made: csv(decimal_comma(made), sep=";")),
    "decimal-comma-thousands.csv": _text(lambda made: csv(decimal_comma(made, "."), sep=";")),
    "decimal-comma-quoted.csv": _text(lambda made: csv(decimal_comma(made))),
    "blank-thousands.csv": _text(lambda made: csv(decimal_comma(made, "\u00a0"), sep=";")),
    "bom.csv": _text(csv, "utf-8-sig"),
    "utf16.csv": _text(csv, "utf-16"),
    "utf16be.csv": _text(csv, "utf-16-be"),
    "crlf.csv": _text(lambda made: csv(made, lineterminator="\r\n")),
    "quoted.csv": _text(lambda made: csv(made, quoting=1)),
    "blank-lines.csv": _text(lambda made: csv(made).replace("\n", "\n\n")),
    "empty-rows-below.csv": _text(lambda made: csv(made) + ",,,,,,,,\n" * 3),
    "trailing-comma.csv": _text(lambda made: csv(made).replace("\n", ",\n")),
    "trailing-comma-of-rows.csv": _text(lambda made: csv(made).replace("\n", ",\n").replace(",\n", "\n", 1)),
    "row-numbers.csv": _text(lambda made: csv(made, index=True)),
    "row-numbers-unnamed.csv": _text(lambda made: csv(made, index=True).removeprefix(",")),
    "other-order.csv": _text(lambda made: csv(made[made.columns[::-1]])),
    "missing-dash.csv": _text(lambda made: csv(made, na_rep="-")),
    "missing-question.csv": _text(lambda made: csv(made, na_rep="?")),
    "missing-excel.csv": _text(lambda made: csv(made, na_rep="#N/A")),
    "missing-none.csv": _text(lambda made: csv(made, na_rep=" None ")),
    "no-break-space.csv": _text(lambda made: csv(made.assign(Score=made["Score"].map("{}\u00a0".format)))),
    "target-yn.csv": _text(_mapped(Approved={1: "Y", 0: "n"})),
    "target-true-false.csv": _text(_mapped(Approved={1: "TRUE", 0: "False"})),
    "target-float.csv": _text(_mapped(Approved={1: "1.0", 0: "0.0"})),
    "flag-words.csv": _text(_mapped(Defaulted={1: "True", 0: "false"}, Owner={True: "T", False: "f", None: ""})),
    "plain.csv.gz": lambda made, path: path.write_bytes(gzip.compress(csv(made).encode())) and None,
    "plain.csv.zst": lambda made, path: (
        path.write_bytes(pa.compress(csv(made).encode(), "zstd", asbytes=True)) and None
    ),
    "lines.jsonl": lambda made, path: made.to_json(path, orient="records", lines=True),
    "lines.ndjson": lambda made, path: made.to_json(path, orient="records", lines=True),
    "typed.parquet": lambda made, path: pa.parquet.write_table(arrow(made), path),
    "typed.pq": lambda made, path: pa.parquet.write_table(arrow(made), path),
    "text.parquet": _all_text,
    "typed.feather": lambda made, path: pa.feather.write_feather(arrow(made), str(path)),
    "stream.arrow": _arrow_stream,
    "book.xlsx": excel,
    "parquet-parts": _parts,
    "csv-parts": _csv_parts,
}
