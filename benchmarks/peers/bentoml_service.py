"""BentoML's service around the model."""

import os

import bentoml
import numpy as np
from scorer import scorer


@bentoml.service(workers=int(os.environ["WORKERS"]))
class Loan:
    def __init__(self) -> None:
        self.probabilities = scorer(os.environ["MODEL"])

    @bentoml.api
    def predict_batch(self, applications: np.ndarray) -> np.ndarray:
        return self.probabilities(applications.astype(float))
