"""Traffic of a real server, recorded once, and drawn from again as often as a judgement is to be tried."""

from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families

from loan_model.synthetic import LOAN, generate
from model_server.counts import SCORES, SECONDS
from rollout.traffic import Histogram, Series, Snapshot, Traffic
from tests.model_server.serving import outputs, serving, v2_columns

VERSION = "v1"


@dataclass
class Recording:
    """Request by request what v1 answered. `seconds` counts by bucket of the server's histogram."""

    score: NDArray[np.float64]
    decision: NDArray[np.int64]
    missing: NDArray[np.int64]
    seconds: NDArray[np.float64]

    def draw(
        self, rng: np.random.Generator, requests: int, *, approves: float = 0, fails: float = 0, slower: float = 1
    ) -> Traffic:
        """Requests drawn with replacement, of a version that approves, fails or takes so much more than v1.

        It approves more by a lower threshold, so that the scores stay as they are; a share of 0.15 is 15 points.
        """
        rows = rng.integers(len(self.score), size=requests)
        decision = self.decision[rows]
        if approves:
            threshold = np.quantile(self.score, 1 - self.decision.mean() - approves)
            decision = self.score[rows] >= threshold
        places = np.digitize(self._seconds(rng, requests) * slower, SECONDS, right=True)
        return Traffic(
            requests=requests,
            faults=float(rng.binomial(requests, fails)),
            seconds=_histogram(places, SECONDS),
            rows=requests,
            approved=float(decision.sum()),
            scores=_histogram(np.digitize(self.score[rows], SCORES, right=True), SCORES),
            missing=float(self.missing[rows].sum()),
        )

    def _seconds(self, rng: np.random.Generator, requests: int) -> NDArray[np.float64]:
        """Times, spread evenly within their buckets."""
        share = self.seconds / self.seconds.sum()
        bounds = np.concatenate([[0], SECONDS, [2 * SECONDS[-1]]])
        bucket = rng.choice(len(share), size=requests, p=share)
        return bounds[bucket] + rng.random(requests) * np.diff(bounds)[bucket]


def record(registry: Path, requests: int) -> Recording:
    """Asks a server for the prediction of one synthetic application after another."""
    matrix = generate(requests, 99)[list(LOAN.schema.names)].to_numpy(dtype=np.float64)
    scores, decisions = [], []
    with serving(registry) as server, httpx.Client(base_url=server.url) as http:
        for row in matrix:
            answer = http.post(f"/v2/models/loan/versions/{VERSION}/infer", json=v2_columns(row[None]))
            found = outputs(answer.json())
            scores += found["probability"]
            decisions += found["decision"]
        traffic = Traffic.between({}, _snapshot(http.get("/metrics").text))
    assert (traffic.requests, traffic.approved) == (requests, sum(decisions))
    missing = np.isnan(matrix).sum(axis=1)
    assert traffic.missing == missing.sum()
    return Recording(np.array(scores), np.array(decisions), missing, np.array(traffic.seconds.counts))


def plus(a: Traffic, b: Traffic) -> Traffic:
    """Both together."""
    added = {
        name: (
            Histogram(b_value.bounds, tuple(np.add(a_value.counts or 0, b_value.counts)))
            if isinstance(b_value, Histogram)
            else a_value + b_value
        )
        for name in Traffic.__struct_fields__
        for a_value, b_value in [(getattr(a, name), getattr(b, name))]
    }
    return Traffic(**added)


def _histogram(places: NDArray[np.int64], bounds: NDArray[np.float64]) -> Histogram:
    return Histogram((*bounds, float("inf")), tuple(np.bincount(places, minlength=len(bounds) + 1).astype(float)))


def _snapshot(exposition: str) -> Snapshot:
    return {
        Series(sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    }
