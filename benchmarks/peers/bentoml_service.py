"""BentoML's service around the scikit-learn pipeline."""

import os

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=int(os.environ["WORKERS"]))
class Loan:
    def __init__(self) -> None:
        self.pipeline = joblib.load(os.environ["MODEL"])

    @bentoml.api
    def predict_batch(self, applications: np.ndarray) -> np.ndarray:
        return self.pipeline.predict_proba(applications.astype(float))[:, 1]
