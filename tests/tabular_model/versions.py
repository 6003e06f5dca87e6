"""Small versions for tests that need no model in them."""

import uuid
from datetime import UTC, datetime

import msgspec

from loan_model.synthetic import LOAN
from tabular_model.manifest import Data, Manifest
from tabular_model.verdict import Verdict

FILES = {
    "model.onnx": b"a compiled model",
    "metrics.json": msgspec.json.encode({"verdict": Verdict(passed=True)}),
    "report.html": b"<!doctype html>",
}
FAILED = msgspec.json.encode({"verdict": Verdict(passed=False, reasons=("no better than chance",))})


def manifest(version: str, files: dict[str, str], run: str = "") -> Manifest:
    return Manifest(
        model=LOAN.model,
        version=version,
        run=run or uuid.uuid4().hex,
        created=datetime.now(UTC),
        schema=LOAN.columns,
        target=LOAN.target,
        features=LOAN.schema.names[1:],
        protected=LOAN.schema.protected,
        threshold=0.5,
        algorithm="logistic",
        parameters={"C": 1},
        seed=0,
        data=Data(source="data.csv", rows=10, sha256="0"),
        libraries={},
        parent=None,
        files=files,
    )


def publish(registry, *, run: str = "", passed: bool = True, signer=None) -> Manifest:
    files = FILES if passed else FILES | {"metrics.json": FAILED}
    return registry.publish(files, lambda version, sums: manifest(version, sums, run), signer)
