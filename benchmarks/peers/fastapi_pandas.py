"""FastAPI and pandas, as a data scientist would write it."""

import json
import os
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import create_model

model = Path(os.environ["MODEL"])
pipeline = joblib.load(model)
manifest = json.loads(model.with_name("manifest.json").read_text())
app = FastAPI()


def kind(column: dict[str, Any]) -> Any:
    """The type that a data scientist would write for the column."""
    plain = int if column.get("type") == "integer" else float
    return plain | None if column.get("missing") else plain


fields = {column["name"]: (kind(column), ...) for column in manifest["schema"]}
Application = create_model("Application", **fields)  # type: ignore[call-overload]


@app.post("/predict_batch")
def predict_batch(applications: list[Application]) -> dict[str, list[float]]:  # type: ignore[valid-type]
    frame = pd.DataFrame([application.model_dump() for application in applications]).astype(float)
    return {"probabilities": pipeline.predict_proba(frame)[:, 1].tolist()}
