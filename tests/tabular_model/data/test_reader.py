"""Every way to write one data set is read as the same rows."""

import os
from pathlib import Path
from threading import Thread

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

from tabular_model.data import Parser, open_rows, require, target
from tabular_model.data import read as read_whole
from tests.tabular_model.data.files import COLUMNS, FILES, NAMES, TARGET, codes, frame

MADE = frame()


def read(source: Path | str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The matrix, the target and the ids of a file."""
    matrices, targets, ids = [], [], []
    with open_rows(str(source)) as rows:
        require(rows.source, rows.names, [*NAMES, TARGET.name])
        parser = Parser(COLUMNS)
        for batch in rows:
            matrices.append(parser.matrix(batch))
            targets.append(target(batch, TARGET))
            ids += [str(value).strip('"') for value in batch.rows.column("Id").to_pylist()]
    return np.concatenate(matrices), np.concatenate(targets), ids


@pytest.mark.parametrize("name", FILES)
def test_each_file_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    FILES[name](MADE, tmp_path / name)
    matrix, approved, ids = read(tmp_path / name)
    np.testing.assert_array_equal(matrix, codes(MADE))
    assert approved.tolist() == MADE["Approved"].tolist()
    assert ids == MADE["Id"].tolist()


@pytest.mark.parametrize(
    ("name", "write"),
    [("parquet", pa.parquet.write_table), ("feather", pa.feather.write_feather), ("csv", pa.csv.write_csv)],
)
def test_memory_is_that_of_a_few_batches_however_many_parts_there_are(tmp_path: Path, name: str, write) -> None:
    part = pa.table({"x": np.random.default_rng(0).random(100_000)})
    for number in range(20):
        write(part, tmp_path / f"part-{number:02}.{name}")
    before = most = pa.total_allocated_bytes()
    with open_rows(str(tmp_path)) as rows:
        for _ in rows:
            most = max(most, pa.total_allocated_bytes())
    assert most - before < 8 * part.nbytes


def test_a_pipe_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    FILES["typed.parquet"](MADE, tmp_path / "x")
    writer = Thread(target=lambda: pipe.write_bytes((tmp_path / "x").read_bytes()))
    writer.start()
    assert read(pipe)[1].tolist() == MADE["Approved"].tolist()
    writer.join()


def test_whole_files_and_their_number_of_rows(tmp_path: Path) -> None:
    FILES["parquet-parts"](MADE, tmp_path / "parts")
    with open_rows(str(tmp_path / "parts")) as rows:
        assert rows.count == len(MADE)
        assert [part.path.name for part in rows.files] == ["part-0.parquet", "part-1.parquet"]
    whole = read_whole(str(tmp_path / "parts"))
    assert whole.column("Id").to_pylist() == MADE["Id"].tolist()
    FILES["plain.csv"](MADE, tmp_path / "plain.csv")
    assert read_whole(str(tmp_path / "plain.csv")).column("Income").to_pylist() == MADE["Income"].map(str).tolist()
