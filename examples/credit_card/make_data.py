"""Writes a synthetic data set of credit card applications: `python make_data.py cards.csv`."""

import sys

import numpy as np
import pandas as pd

OCCUPATIONS = {
    "clerk": 0.2,
    "cook": -0.4,
    "driver": -0.2,
    "nurse": 0.3,
    "pilot": 0.8,
    "retired": 0.4,
    "student": -0.9,
    "teacher": 0.5,
}
RESIDENCES = {"owner": 0.5, "tenant": -0.1, "with family": -0.4}
CHANNELS = {"app": 0.0, "branch": 0.2, "partner": -0.5}


def generate(rows: int = 8000, seed: int = 0) -> pd.DataFrame:
    """Applications and their outcome, to which age adds nothing; some values are missing."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "application_id": [f"A{number:06d}" for number in range(rows)],
            "income": rng.lognormal(10.6, 0.5, rows).clip(5_000, 250_000).round(-2),
            "limit": rng.uniform(500, 20_000, rows).round(-2),
            "months_as_customer": rng.integers(0, 400, rows),
            "late_payments": rng.poisson(1.2, rows).clip(0, 24),
            "occupation": rng.choice(list(OCCUPATIONS), rows),
            "residence": rng.choice(list(RESIDENCES), rows),
            "channel": rng.choice(list(CHANNELS), rows),
            "age": rng.integers(18, 90, rows),
        }
    )
    log_odds = (
        1.2 * np.log(frame["income"] / 40_000)
        - frame["limit"] / 12_000
        + frame["months_as_customer"] / 300
        - 0.8 * frame["late_payments"]
        + 1.5 * frame["occupation"].map(OCCUPATIONS)
        + frame["residence"].map(RESIDENCES) * (1 + (frame["channel"] == "partner"))
        + frame["channel"].map(CHANNELS)
        + 1.2
    )
    good = rng.random(rows) < 1 / (1 + np.exp(-log_odds))
    for name, share in {"income": 0.05, "late_payments": 0.1, "occupation": 0.08}.items():
        frame[name] = frame[name].astype(object).where(rng.random(rows) >= share, None)
    return frame.assign(outcome=np.where(good, "good", "bad"))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Name the file to write: python make_data.py cards.csv")
    generate().to_csv(sys.argv[1], index=False)
    print(f"Wrote {sys.argv[1]}.", file=sys.stderr)
