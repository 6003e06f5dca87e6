"""Training on Spark: the same passes over the rows, summed by its tasks."""

import re
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline
from typer.testing import CliRunner

from loan_cli.app import app
from loan_model.synthetic import LOAN, generate
from tabular_model import metrics
from tabular_model.data import open_rows
from tabular_model.errors import ModelError
from tabular_model.estimators import probability
from tabular_model.parameters import GradientBoostingParameters
from tabular_model.registry import Registry
from tabular_model.scoring.scorer import Scorer
from training_job.out_of_core.engine import OutOfCore
from training_job.out_of_core.fit_to_all import FitToAll
from training_job.out_of_core.holdout import Holdout
from training_job.out_of_core.table import StreamedTable, Table
from training_job.progress import Progress
from training_job.split import Rows
from training_job.training import Training

pytestmark = pytest.mark.usefixtures("fewer_repetitions")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    for number in range(2):
        generate(2000, number).to_parquet(folder / f"{number}.parquet", index=False)
    return folder


def spark_table(spark: Any, training: Training) -> Any:
    from loan_spark.training import SparkTable  # noqa: PLC0415 - an extra

    return SparkTable(spark, training)


def probabilities(files: Mapping[str, bytes]) -> np.ndarray:
    frame = generate(3000, 9)[list(LOAN.schema.names)].astype(float)
    return Scorer(files, "the model").probabilities(frame.to_numpy())


def test_a_regression_is_that_of_one_machine(spark: Any, parts: Path, tmp_path: Path) -> None:
    registry = Registry.open(tmp_path, create=True)
    training = Training(data=str(parts), algorithm="logistic")
    one = OutOfCore().learn(training, registry, Progress())
    many = OutOfCore().learn_from(spark_table(spark, training), training, registry, Progress())
    assert probabilities(many.fitted.files) == pytest.approx(probabilities(one.fitted.files), abs=1e-6)
    assert many.results.holdout.auc.value == pytest.approx(one.results.holdout.auc.value)
    assert many.results.holdout.rows == one.results.holdout.rows
    assert many.fitted.threshold == one.fitted.threshold
    assert (many.engine, many.data.rows, "pyspark" in many.libraries) == ("spark", 4000, True)


def test_the_command_trains_a_scorecard_that_is_that_of_one_machine(
    spark: Any, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loan_spark.session.session", lambda *_: nullcontext(spark))  # which else would end
    train = ["train", "--data", str(parts), "--registry", str(tmp_path), "--algorithm", "scorecard"]
    for engine in ("spark", "stream"):
        ran = CliRunner().invoke(app, [*train, "--engine", engine])
        assert "the gate passed." in ran.output, ran.output
    registry = Registry.open(tmp_path)
    assert [registry.manifest(version).engine for version in ("v1", "v2")] == ["spark", "stream"]
    many, one = (probabilities(registry.load(version).files) for version in ("v1", "v2"))
    assert many == pytest.approx(one, abs=1e-6)


@pytest.mark.parametrize("largest", ["128m", "16k"], ids=["as many parts as workers", "more parts than workers"])
def test_boosting_is_the_same_each_time_and_as_good_as_on_one_machine(spark: Any, parts: Path, largest: str) -> None:
    spark.conf.set("spark.sql.files.maxPartitionBytes", largest)
    training = Training(data=str(parts))
    declaration = training.declaration
    features = declaration.schema.features(())
    parameters = GradientBoostingParameters(max_iter=20)
    train = Rows(pd.DataFrame(), np.array([0, 1]), None, None)

    def boosted(table: Table) -> Pipeline:
        fit = FitToAll(table, Holdout(0.25, 0), 4000, declaration.schema, features, 0)
        return fit("gradient_boosting", parameters, Pipeline([]), train)

    table = spark_table(spark, training)
    with open_rows(str(parts)) as rows:
        one = boosted(StreamedTable(rows, declaration))
    many, again = boosted(table), boosted(table)
    assert many["model"].get_booster().save_raw() == again["model"].get_booster().save_raw()
    unseen = generate(5000, 9)
    frame, target = unseen[list(LOAN.schema.names)].astype(float), unseen["Loan_Approval"].to_numpy(np.int64)
    areas = [metrics.auc(target, probability(pipeline, frame)) for pipeline in (one, many)]
    assert areas[1] == pytest.approx(areas[0], abs=0.005)
    assert areas[1] > 0.83


def test_a_wrong_value_is_named_in_one_sentence(spark: Any, tmp_path: Path) -> None:
    rows = generate(100, 0)
    rows["Credit_Score"] = rows["Credit_Score"].astype(object)
    rows.loc[40, "Credit_Score"] = "good"
    rows.to_csv(tmp_path / "rows.csv", index=False)
    training = Training(data=str(tmp_path / "rows.csv"))
    registry = Registry.open(tmp_path / "registry", create=True)
    with pytest.raises(ModelError, match=r"rows.csv, one of its rows, column Credit_Score: 'good' is not a number"):
        OutOfCore().learn_from(spark_table(spark, training), training, registry, Progress())


@pytest.mark.parametrize("option", ["--master=local", "--conf=a=b"])
@pytest.mark.parametrize("engine", ["memory", "stream"])
def test_options_of_spark_are_refused_elsewhere(tmp_path: Path, option: str, engine: str) -> None:
    ran = CliRunner().invoke(
        app, ["train", "--data", "rows.csv", "--registry", str(tmp_path), "--engine", engine, option]
    )
    assert ran.exit_code == 1
    assert re.search(r"error: --(master|conf) is for --engine spark\.", ran.output)
