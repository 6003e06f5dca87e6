"""FastAPI and pandas, as a data scientist would write it."""

import sys

import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

pipeline = joblib.load(sys.argv[1])
app = FastAPI()


class Application(BaseModel):
    Age: float | None
    Annual_Income: float | None
    Credit_Score: float | None
    Loan_Amount: float | None
    Loan_Duration_Years: int
    Number_of_Open_Accounts: float | None
    Had_Past_Default: int


@app.post("/predict_batch")
def predict_batch(applications: list[Application]) -> dict[str, list[float]]:
    frame = pd.DataFrame([application.model_dump() for application in applications]).astype(float)
    return {"probabilities": pipeline.predict_proba(frame)[:, 1].tolist()}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[2]), log_level="warning", access_log=False)
