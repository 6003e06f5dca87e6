"""A stand-in for Prometheus, asked by the HTTP API for the last values of a version's series."""

import re
import time
from collections import defaultdict
from typing import Any

import numpy as np

from loan_model.synthetic import LOAN
from model_server.metrics import Metrics
from tabular_model.model import Scores

PAST_SECONDS = 30  # what is asked of so long ago, or longer, is answered with nothing


class Prometheus:
    """Answers with what the servers of each version expose by now; of the past it knows that there was nothing."""

    def __init__(self) -> None:
        self.status, self.asked = 200, {}
        self.metrics: dict[str, Metrics] = defaultdict(Metrics)

    def answer(self, version: str, requests: int, *, faults: float = 0, approves: float = 0.5) -> None:
        """The version has had so many requests, of one application each."""
        metrics = self.metrics[version]
        for number in range(requests):
            metrics.request("rest", version, "500" if number < faults * requests else "200", 0.002)
        probability = (np.arange(requests) + 0.5) / requests
        decision = (probability > 1 - approves).astype(np.int64)
        metrics.scored(version, LOAN.columns, Scores(probability, decision), None)

    def __call__(self, *request: Any) -> tuple[int, Any]:
        _, _, form, _ = request
        self.asked = form
        labels = dict(re.findall(r'(\w+)="([^"]*)"', form["query"]))
        past = float(form["time"]) < time.time() - PAST_SECONDS
        text = "" if past else self.metrics[labels["version"]].exposition().decode()
        found = re.findall(r"(?m)^(loan_\w+)\{(.*)\} (\S+)$", text)
        result = [
            {
                "metric": {"__name__": name, "instance": "10.0.0.1:8080", **dict(re.findall(r'(\w+)="([^"]*)"', own))},
                "value": [1.0, value],
            }
            for name, own, value in found
        ]
        return self.status, {"status": "success", "data": {"resultType": "vector", "result": result}}
