"""A run: all of its output appears, or nothing, with a manifest that says what was done."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from loan_cli.app import app
from tabular_model.errors import DataError, ModelError
from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tests.loan_spark.test_score import NAMES, applications


@pytest.fixture
def model(trained_registry):
    return TabularModel.from_registry(Registry.open(trained_registry), "v1")


@pytest.fixture
def run(spark, trained_registry, tmp_path):
    """Runs with these options, of the applications that were written to `in`."""

    def run(**options):
        from loan_spark.run import Run  # noqa: PLC0415 - where there is Spark

        given = {"source": str(tmp_path / "in"), "target": str(tmp_path / "out"), "registry": str(trained_registry)}
        return Run(**given | {"version": "v1"} | options)(spark)

    return run


def write(rows, folder, format="parquet", files=1):
    """A folder as Spark writes it, with files that are none of its data."""
    folder.mkdir()
    for name in ("_SUCCESS", "._SUCCESS.crc"):
        (folder / name).touch()
    for place in range(files):
        part, path = rows[place::files].reset_index(drop=True), folder / f"part-{place}.{format}"
        if format == "json":
            path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in part.to_dict("records")))
        else:
            getattr(part, f"to_{format}")(path, index=False)


def flawed(rows, share):
    frame = applications(rows)
    frame.loc[: int(rows * share) - 1, "Had_Past_Default"] = 0.5
    return frame


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("format", ["parquet", "csv", "json", "orc"])
def test_scored_and_refused_rows_are_written_apart(spark, run, model, tmp_path, format):
    rows = flawed(1000, 0.005)
    write(rows, tmp_path / "in", format, files=2)
    run(output_format=format, explain=True)
    read = spark.read.format(format).options(**({"header": "true", "inferSchema": "true"} if format == "csv" else {}))
    scored = read.load(str(tmp_path / "out")).toPandas().sort_values("Customer", ignore_index=True)
    refused = read.load(str(tmp_path / "out" / "_refused")).toPandas()
    good = rows[5:].reset_index(drop=True)
    assert scored["Customer"].tolist() == good["Customer"].tolist()
    assert scored["Note"].tolist() == ["née"] * 995
    assert scored["probability"].tolist() == model.score(good[NAMES].to_numpy()).probability.tolist()
    assert sorted(refused["Customer"]) == [f"c0000{place}" for place in range(5)]
    assert set(refused["refused"]) == {"Input 'Had_Past_Default', row 0: 0.5 is not a whole number (integer, 0 or 1)."}
    assert left_in(tmp_path) == ["in", "out"]


def test_the_manifest_says_what_was_done(run, model, tmp_path):
    rows = flawed(2000, 0.0025)
    write(rows, tmp_path / "in", files=3)
    returned = run(name="nightly-29403300")
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_bytes())
    assert json.loads(returned.encode()) == manifest
    probability, decision = model.score(rows[NAMES].to_numpy()[5:])
    assert manifest["counts"] == {"rows": 2000, "scored": 1995, "refused": 5, "approved": int(decision.sum())}
    assert (manifest["run"], manifest["model"], manifest["version"]) == ("nightly-29403300", "loan", "v1")
    edges = np.array(manifest["scores"]["edges"])
    counts = np.histogram(np.clip(probability, edges[0], edges[-1]), edges)[0]
    assert manifest["scores"]["counts"] == counts.tolist()
    p, q = counts / counts.sum(), np.array(manifest["scores"]["reference"]) / sum(manifest["scores"]["reference"])
    assert manifest["scores"]["psi"] == pytest.approx(((p - q) * np.log(p / q)).sum())
    assert manifest["input"]["files"] == 3
    parts = [path for path in (tmp_path / "in").iterdir() if path.name.startswith("part-")]
    assert manifest["input"]["bytes"] == sum(path.stat().st_size for path in parts)
    os.utime(parts[0], (0, 0))
    assert run(overwrite=True).input.sha256 != manifest["input"]["sha256"]


def test_too_many_refused_rows_fail_it_before_anything_is_written(run, tmp_path):
    write(flawed(1000, 0.02), tmp_path / "in")
    with pytest.raises(DataError, match=r"20 of 1000 rows .* which is more than 0.01 of them; nothing was written"):
        run()
    assert left_in(tmp_path) == ["in"]
    assert run(most_refused=0.02).counts.refused == 20


def test_an_output_is_replaced_only_on_request_and_then_whole(run, tmp_path):
    write(applications(100), tmp_path / "in")
    run()
    with pytest.raises(DataError, match="already exists; choose another name, or use --overwrite"):
        run(version="v2")
    assert set(pd.read_parquet(tmp_path / "out")["model_version"]) == {"v1"}
    run(version="v2", overwrite=True)
    assert set(pd.read_parquet(tmp_path / "out")["model_version"]) == {"v2"}
    assert left_in(tmp_path) == ["in", "out"]


def test_an_output_is_partitioned_by_columns_of_the_input(run, tmp_path):
    rows = applications(100).assign(Region=["north", "south"] * 50, Year=2026)
    write(rows, tmp_path / "in")
    run(partition_by=("Region", "Year"))
    found = pd.read_parquet(tmp_path / "out")
    assert found.groupby("Region", observed=True).size().to_dict() == {"north": 50, "south": 50}
    assert (tmp_path / "out" / "Region=north" / "Year=2026").is_dir()


def test_what_a_killed_run_left_is_never_seen_and_goes_with_the_next(run, tmp_path, monkeypatch):
    from loan_spark.output import Output  # noqa: PLC0415

    write(applications(100), tmp_path / "in")
    with monkeypatch.context() as patched:
        patched.setattr(Output, "commit", lambda *_: None)  # as a driver that dies before the commit
        run()
    assert [name for name in left_in(tmp_path) if not name.startswith("_loan-")] == ["in"]
    assert run().counts.rows == 100
    assert left_in(tmp_path) == ["in", "out"]
    assert len(pd.read_parquet(tmp_path / "out")) == 100


def test_a_run_that_comes_second_is_told(run, tmp_path, monkeypatch):
    from loan_spark.output import Staging  # noqa: PLC0415

    write(applications(10), tmp_path / "in")
    written = Staging.write

    def meanwhile(staging, frame):
        written(staging, frame)
        (tmp_path / "out").mkdir()

    monkeypatch.setattr(Staging, "write", meanwhile)
    with pytest.raises(DataError, match="was written by another run meanwhile"):
        run()
    assert left_in(tmp_path) == ["in", "out"]


def test_a_retried_task_duplicates_no_row(run, tmp_path, monkeypatch):
    from pyspark import TaskContext  # noqa: PLC0415

    from loan_spark.run import scored  # noqa: PLC0415

    def failing_once(*arguments):
        frame = scored(*arguments)

        def batches(rows):
            yield from rows
            if TaskContext.get().attemptNumber() == 0:
                raise RuntimeError("the first attempt fails, after all its rows")

        return frame.mapInArrow(batches, frame.schema)

    rows = applications(1000)
    write(rows, tmp_path / "in", files=4)
    monkeypatch.setattr("loan_spark.run.scored", failing_once)
    assert run().counts.rows == 1000
    assert sorted(pd.read_parquet(tmp_path / "out")["Customer"]) == rows["Customer"].tolist()
    assert left_in(tmp_path) == ["in", "out"]


def test_the_command_says_what_it_did(spark, tmp_path, trained_registry, monkeypatch):
    asked = []

    @contextmanager
    def session(*how):
        asked.append(how)
        yield spark

    monkeypatch.setattr("loan_spark.session.session", session)
    write(flawed(400, 0.005), tmp_path / "in", "csv")
    command = ["predict", "--engine", "spark", "--registry", str(trained_registry)]
    command += ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "{date}" / "scores.csv")]
    done = CliRunner().invoke(app, command, env={"LOAN_RUN": "nightly-29403300"})
    assert done.exit_code == 0, done.output
    assert asked == [("local[*]", {})]
    output = tmp_path / "2025-11-26" / "scores.csv"
    assert done.stdout.splitlines() == [
        f"Scored 398 applications into {output}.",
        f"Refused 2 of 400; they are in {output}/_refused, each with the reason.",
    ]
    part = next(output.glob("part-*.csv"))
    assert pd.read_csv(part).columns[-4:].tolist() == ["probability", "decision", "model_version", "refused"]
    assert json.loads((output / "_manifest.json").read_bytes())["run"] == "nightly-29403300"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--master", "local[1]"], "--master is for --engine spark."),
        (["--most-refused", "0.1"], "--most-refused is for --engine spark."),
        (["--engine", "spark", "--conf", "spark.executor.cores"], "--conf spark.executor.cores has no value"),
    ],
)
def test_options_that_do_not_fit_are_named(options, sentence):
    done = CliRunner().invoke(app, ["predict", "--input", "in", "--output", "out", *options])
    assert done.exit_code == 1
    assert sentence in done.output


@pytest.mark.parametrize(
    ("lacking", "sentence"),
    [
        (
            "import sys; sys.modules['pyspark'] = None",
            "Scoring on Spark needs pyspark: pip install 'loan-model[spark]'.",
        ),
        (
            "import os; os.environ['PATH'] = '/nowhere'",
            "Spark needs Java 17 or newer, and there is no java on the PATH.",
        ),
    ],
)
def test_what_is_not_installed_is_said(lacking, sentence):
    pytest.importorskip("pyspark")
    code = f"{lacking}; from loan_cli.app import app; app()"
    command = [sys.executable, "-c", code, "predict", "--engine=spark", "--input=in", "--output=out"]
    environment = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (1, f"error: {sentence}\n")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"source": "nowhere"}, "There is no folder, file or table nowhere."),
        ({"output_format": "xlsx"}, "xlsx is not a format of the output; use parquet, csv, json, orc, delta, iceberg."),
        ({"output_format": "iceberg"}, "name a folder by --beside"),
        ({"most_refused": 2.0}, "The share of rows that may be refused is 2; give one from 0 to 1."),
        ({"partition_by": ("Regio",)}, "has no column Regio to partition the output by"),
        ({"input_format": "delta"}, "Spark failed: .*delta"),
        ({"version": "v7"}, "has no version v7"),
    ],
)
def test_what_is_wrong_is_one_sentence(run, tmp_path, options, sentence):
    from loan_spark.session import failing_in_a_sentence  # noqa: PLC0415

    write(applications(10), tmp_path / "in")
    with pytest.raises(ModelError, match=sentence) as error, failing_in_a_sentence():
        run(**options)
    assert "\n" not in str(error.value)
    assert left_in(tmp_path) == ["in"]
