"""`score`: the rows of a Spark frame are checked and scored as every endpoint checks and scores them."""

import os
import shutil

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from loan_model.synthetic import LOAN, generate
from tabular_model.errors import DataError, IntegrityError, NotSigned, VersionNotFound
from tests import second_model
from tests.model_server.serving import in_process, v2_frame

NAMES = list(LOAN.schema.names)
FLAWS = [
    ("Had_Past_Default", None),
    ("Had_Past_Default", 0.5),
    ("Had_Past_Default", float("nan")),
    ("Loan_Duration_Years", 5.25),
    ("Credit_Score", float("inf")),
    ("Annual_Income", float("-inf")),
]


@pytest.fixture(scope="module")
def score(spark):
    from loan_spark import score  # noqa: PLC0415 - where there is Spark

    return score


@pytest.fixture(scope="module")
def http(trained_registry):
    with in_process(trained_registry, version="v1") as client:
        yield client


def applications(rows, seed=7):
    """Applications with a key and a word that no model knows, in floats, as flaws need."""
    frame = generate(rows, seed)[NAMES].astype(float)
    return frame.assign(Customer=[f"c{place:05}" for place in range(rows)], Note="née")


def as_table(rows):
    """The rows for Spark: what is no number stays so, beside what is missing."""
    return pa.table({name: rows[name].to_numpy() for name in rows})


def in_order(frame):
    return frame.toPandas().sort_values("Customer", ignore_index=True)


def by_rest(http: httpx.Client, rows: pd.DataFrame, explain: bool = False) -> dict:
    request = v2_frame(rows, LOAN.columns) | {"parameters": {"explain": explain}}
    for tensor in request["inputs"]:
        tensor["datatype"] = "FP64"
    answer = http.post("/v2/models/loan/infer", json=request).json()
    return {output["name"]: output["data"] for output in answer["outputs"]}


def test_probabilities_are_those_of_rest_to_the_last_bit(spark, score, http, trained_registry):
    rows = applications(3000)
    scored = in_order(score(spark.createDataFrame(as_table(rows)), trained_registry, "v1", explain=True))
    answer = by_rest(http, rows, explain=True)
    assert scored["probability"].tolist() == answer["probability"]
    assert scored["decision"].tolist() == answer["decision"]
    codes = np.array(answer["reason_codes"]).reshape(len(rows), -1)
    assert [list(each) for each in scored["reason_codes"]] == [[code for code in row if code] for row in codes]
    assert set(scored["model_version"]) == {"v1"}
    assert scored["refused"].isna().all()


def test_the_callers_columns_stay_as_they_are(spark, score, trained_registry):
    frame = spark.createDataFrame(as_table(applications(20)))
    scored = score(frame, trained_registry)
    assert scored.columns == [*frame.columns, "probability", "decision", "model_version", "refused"]
    assert scored.schema.fields[: len(frame.columns)] == frame.schema.fields
    found = in_order(scored)
    assert found[frame.columns].equals(in_order(frame))
    assert set(found["model_version"]) == {"v2"}  # the registry's default


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_a_refused_row_has_the_sentence_of_the_endpoint_and_the_others_are_scored(
    spark, score, http, trained_registry, share
):
    random = np.random.default_rng(1)
    rows = applications(400).astype(dict.fromkeys(NAMES, object))  # in which a value is missing, or no number
    flawed = np.flatnonzero(random.random(len(rows)) < share)
    for place, row in enumerate(flawed):
        column, value = FLAWS[place % len(FLAWS)]
        rows.loc[row, column] = value
    scored = in_order(score(spark.createDataFrame(as_table(rows)), trained_registry, "v1"))
    assert np.flatnonzero(scored["refused"].notna()).tolist() == flawed.tolist()
    assert np.flatnonzero(scored["probability"].isna()).tolist() == flawed.tolist()
    good = rows.drop(flawed)
    if len(good):
        assert scored.drop(flawed)["probability"].tolist() == by_rest(http, good)["probability"]
    for row in flawed[: len(FLAWS)]:
        application = {name: None if pd.isna(value) else value for name, value in rows.loc[row, NAMES].items()}
        if not any(value in (float("inf"), float("-inf")) for value in application.values()):  # which JSON has not
            assert scored.loc[row, "refused"] == http.post("/predict", json=application).json()["error"]
        else:
            assert "is infinite" in scored.loc[row, "refused"]


def test_text_is_read_as_from_a_file_of_text(spark, score, http, trained_registry):
    rows = applications(50)
    text = rows.astype(str).replace("nan", "")
    text.loc[3, "Credit_Score"] = "abc"
    text.loc[4, "Annual_Income"] = " 56989.50 "
    rows.loc[4, "Annual_Income"] = 56989.5
    scored = in_order(score(spark.createDataFrame(as_table(text)), trained_registry, "v1"))
    assert scored.drop(3)["probability"].tolist() == by_rest(http, rows.drop(3))["probability"]
    application = rows.loc[3, NAMES].to_dict() | {"Credit_Score": "abc"}
    application = {name: None if pd.isna(value) else value for name, value in application.items()}
    assert scored.loc[3, "refused"] == http.post("/predict", json=application).json()["error"]


def test_values_of_other_types_are_numbers_too(spark, score, http, trained_registry):
    frame = spark.createDataFrame(as_table(applications(50))).selectExpr(
        *("Customer", "try_cast(Age as decimal(10, 2)) as Age", "cast(Annual_Income as float) as Annual_Income"),
        *(
            "try_cast(Credit_Score as smallint) as Credit_Score",
            "Loan_Amount",
            "try_cast(Loan_Duration_Years as int) as Loan_Duration_Years",
        ),
        *("Number_of_Open_Accounts", "cast(Had_Past_Default as boolean) as Had_Past_Default"),
        *("array(1, 2) as Extra", "current_date() as Day", "named_struct('a', 1) as Nested"),
    )
    scored = in_order(score(frame, trained_registry, "v1"))
    assert scored["refused"].isna().all()
    rows = scored.assign(**{name: scored[name].astype(float) for name in NAMES})
    assert scored["probability"].tolist() == by_rest(http, rows)["probability"]


def test_categories_and_booleans_are_scored_and_unknown_levels_refused(spark, score, cards_registry, tmp_path):
    rows = second_model.generate(300, seed=5)
    columns = second_model.DECLARATION.columns
    refusing = next(column for column in columns if column.type == "category" and column.unknown == "refused")
    rows[refusing.name] = rows[refusing.name].astype(object)
    rows.loc[11, refusing.name] = "Atlantis"
    rows.insert(0, "Customer", [f"c{place:05}" for place in range(len(rows))])
    rows.to_parquet(tmp_path / "rows.parquet")
    scored = in_order(score(spark.read.parquet(str(tmp_path / "rows.parquet")), cards_registry))
    with in_process(cards_registry) as http:
        name = second_model.DECLARATION.model
        answer = http.post(f"/v2/models/{name}/infer", json=v2_frame(rows.drop(11), columns)).json()
        assert scored.drop(11)["probability"].tolist() == answer["outputs"][0]["data"]
        refused = http.post(f"/v2/models/{name}/infer", json=v2_frame(rows.loc[[11]], columns)).json()["error"]
    assert scored.loc[11, "refused"] == refused


def test_a_version_is_loaded_once_in_each_worker(spark, trained_registry, tmp_path):
    from loan_spark.scoring import scored  # noqa: PLC0415
    from loan_spark.version import ShippedVersion  # noqa: PLC0415

    loads = tmp_path / "loads"

    class Noted(ShippedVersion):
        def scorer(self, *arguments):
            with loads.open("a") as file:
                file.write(f"{os.getpid()}\n")
            return super().scorer(*arguments)

    version = Noted(*ShippedVersion.of(trained_registry, "v1"))
    frame = spark.createDataFrame(as_table(applications(64))).repartition(8)
    rows = scored(frame, version, explain=False, source="A table of this test alone")
    rows.count()
    rows.collect()
    driver, *workers = loads.read_text().splitlines()
    assert driver == str(os.getpid())
    assert workers
    assert len(set(workers)) == len(workers)


def test_what_cannot_be_scored_is_said_before_anything_runs(spark, score, trained_registry, tmp_path):
    frame = spark.createDataFrame(as_table(applications(5)))
    with pytest.raises(VersionNotFound, match="has no version v9; it has v1, v2"):
        score(frame, trained_registry, "v9")
    with pytest.raises(DataError, match=r"has no column Credit_Score; it has 'credit_score', but the model's is"):
        score(frame.withColumnRenamed("Credit_Score", "credit_score"), trained_registry)
    with pytest.raises(DataError, match="already has a column probability"):
        score(frame.selectExpr("*", "1 as probability"), trained_registry)
    with pytest.raises(DataError, match="already has a column refused"):
        score(frame.selectExpr("*", "1 as refused"), trained_registry)
    with pytest.raises(DataError, match="more than once"):
        score(frame.select("*", "Age"), trained_registry)
    with pytest.raises(DataError, match="column Age: contains list"):
        score(frame.selectExpr("array(1.0) as Age", *(name for name in NAMES if name != "Age")), trained_registry)


def test_a_changed_or_unsigned_version_is_not_used(spark, score, trained_registry, tmp_path):
    from tabular_model import signing  # noqa: PLC0415

    frame = spark.createDataFrame(as_table(applications(5)))
    signing.make(tmp_path / "keys")
    with pytest.raises(NotSigned, match="is not signed"):
        score(frame, trained_registry, "v1", verify_key=tmp_path / "keys" / "signing.pub")
    changed = shutil.copytree(trained_registry, tmp_path / "changed")
    tables = changed / "v1" / "tables.npz"
    tables.write_bytes(tables.read_bytes() + b"x")
    with pytest.raises(IntegrityError, match=r"tables\.npz"):
        score(frame, changed, "v1")


def test_a_worker_verifies_what_the_driver_sent(spark, score, trained_registry):
    from pyspark.errors import PythonException  # noqa: PLC0415

    from loan_spark.session import sentence  # noqa: PLC0415
    from loan_spark.version import ShippedVersion  # noqa: PLC0415
    from loan_spark.worker import Scoring  # noqa: PLC0415

    version = ShippedVersion.of(trained_registry, "v1")
    version.files["tables.npz"] += b"x"
    frame = spark.createDataFrame(as_table(applications(5)))
    scoring = Scoring(version, "What was changed on the way", tuple(frame.columns), explain=False)
    with pytest.raises(PythonException) as error:
        frame.mapInArrow(scoring.batches, frame.schema).collect()
    assert sentence(error.value) == (
        "Version v1 of model 'loan' was rejected: v1/tables.npz was changed after it was published: its sha256 does "
        "not match."
    )
