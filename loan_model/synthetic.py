"""A synthetic data set of loan applications with a known truth, so that training can be checked.

The truth. Age, income, credit score and loan amount depend on each other through a Gaussian copula with the
correlations `CORRELATION` and have Kumaraswamy margins over the schema's ranges; a past default goes with a
lower credit score; duration and open accounts are independent of the rest. The log-odds of approval are a sum
of effects, each monotone in the schema's direction (`log_odds`): more with income and credit score; less with
loan amount, duration, open accounts and a past default. Age has no effect given the other columns: it shows
only through income and credit score, which rise with it. The target is a draw with that probability, which is
the noise that no model can remove. Last, values go missing completely at random, in exactly the schema's
share of the rows of each column.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, ndtr, ndtri

from loan_model import DECLARATION
from tabular_model.declaration import Declaration
from tabular_model.metrics import auc

ROWS = 10_000
LOAN = Declaration.read(DECLARATION)
MISSING = {  # share of the rows that lack the value
    "Age": 0.05,
    "Annual_Income": 0.03,
    "Credit_Score": 0.04,
    "Loan_Amount": 0.02,
    "Number_of_Open_Accounts": 0.01,
}

# Shapes a and b of the margin F(u) = 1 - (1 - u^a)^b over a column's range (Kumaraswamy, J. Hydrology 1980).
MARGINS = {
    "Age": (1.6, 2.0),
    "Annual_Income": (1.4, 3.2),
    "Credit_Score": (3.2, 2.6),
    "Loan_Amount": (1.3, 2.0),
}
CORRELATION = np.array(
    [
        [1.00, 0.35, 0.25, 0.05],
        [0.35, 1.00, 0.30, 0.45],
        [0.25, 0.30, 1.00, 0.05],
        [0.05, 0.45, 0.05, 1.00],
    ]
)
DEFAULTED = 0.16  # share of applicants with a past default
DEFAULT_SHIFT = np.array([0.0, 0.0, -0.9, 0.0])  # what it does to the copula's normals
ACCOUNTS = (15, 0.3)  # trials and probability of the binomial count of open accounts
DRAWS = 256  # for the expectation over missing values


def generate(rows: int = ROWS, seed: int = 0, *, shuffle_target: bool = False) -> pd.DataFrame:
    """`rows` applications with their target; the same for the same seed.

    With `shuffle_target` the targets are assigned to other rows, so that there is nothing to learn.
    """
    rng = np.random.default_rng(seed)
    had_default = rng.random(rows) < DEFAULTED
    normals = rng.multivariate_normal(np.zeros(len(MARGINS)), CORRELATION, rows)
    normals += had_default[:, None] * DEFAULT_SHIFT
    values: dict[str, NDArray[Any]] = {name: _quantile(name, normals[:, i]) for i, name in enumerate(MARGINS)}
    values["Loan_Duration_Years"] = rng.integers(1, 30, rows, endpoint=True)
    values["Number_of_Open_Accounts"] = rng.binomial(*ACCOUNTS, rows).astype(np.float64)
    values["Had_Past_Default"] = had_default.astype(np.int64)
    frame = pd.DataFrame({name: values[name] for name in LOAN.schema.names})

    target = (rng.random(rows) < expit(log_odds(frame))).astype(np.int64)
    for name, share in MISSING.items():
        frame.loc[rng.permutation(rows)[: round(share * rows)], name] = np.nan
    frame[LOAN.target.name] = rng.permutation(target) if shuffle_target else target
    return frame


def log_odds(frame: pd.DataFrame) -> NDArray[np.float64]:
    """The true log-odds of approval [n]; NaN where a value that has an effect is missing."""
    income = frame["Annual_Income"].to_numpy(np.float64)
    effects = (
        1.3 * np.log(income / 70_000)
        + 2.1 * np.tanh((frame["Credit_Score"] - 620) / 110)
        - 2.2 * (frame["Loan_Amount"] / income)
        - 0.045 * (frame["Loan_Duration_Years"] - 15)
        - 0.16 * np.maximum(frame["Number_of_Open_Accounts"] - 3, 0)
        - 1.2 * frame["Had_Past_Default"]
    )
    return np.asarray(effects + 1.1, dtype=np.float64)


def best_probability(frame: pd.DataFrame, seed: int = 0) -> NDArray[np.float64]:
    """The probability of approval [n] given the values that are present in a row: no model can know more.

    Where values are missing it is the mean of the truth over `DRAWS` draws of them from their distribution
    given the others.
    """
    probability: NDArray[np.float64] = expit(log_odds(frame))
    unknown = np.flatnonzero(np.isnan(probability))
    completed = _complete(frame.iloc[np.repeat(unknown, DRAWS)], np.random.default_rng(seed))
    probability[unknown] = expit(log_odds(completed)).reshape(-1, DRAWS).mean(axis=1)
    return probability


def best_auc(frame: pd.DataFrame) -> float:
    """The AUC of `best_probability` against the target drawn: the most that a model can be expected to reach."""
    return auc(frame[LOAN.target.name].to_numpy(), best_probability(frame))


def _complete(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """`frame` with each missing value drawn given the row's other values."""
    frame = frame.copy()
    shift = frame["Had_Past_Default"].to_numpy()[:, None] * DEFAULT_SHIFT
    normals = np.column_stack([_normal(name, frame[name].to_numpy()) for name in MARGINS]) - shift
    patterns, of_row = np.unique(np.isnan(normals), axis=0, return_inverse=True)
    for k, hidden in enumerate(patterns):
        if hidden.any():
            rows = np.flatnonzero(of_row == k)
            normals[np.ix_(rows, hidden)] = _conditional(normals[rows], hidden, rng)
    for i, name in enumerate(MARGINS):
        frame[name] = frame[name].where(frame[name].notna(), _quantile(name, (normals + shift)[:, i]))
    accounts = frame["Number_of_Open_Accounts"]
    frame["Number_of_Open_Accounts"] = accounts.where(accounts.notna(), rng.binomial(*ACCOUNTS, len(frame)))
    return frame


def _conditional(
    normals: NDArray[np.float64], hidden: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float64]:
    """A draw of the hidden ones of jointly normal columns [n, 4], given the others of the same row."""
    across = CORRELATION[np.ix_(hidden, ~hidden)] @ np.linalg.inv(CORRELATION[np.ix_(~hidden, ~hidden)])
    covariance = CORRELATION[np.ix_(hidden, hidden)] - across @ CORRELATION[np.ix_(~hidden, hidden)]
    noise = rng.multivariate_normal(np.zeros(hidden.sum()), covariance, len(normals))
    return np.asarray(normals[:, ~hidden] @ across.T + noise, dtype=np.float64)


def _quantile(name: str, normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """The column's value, in whole units, at the quantile of a standard normal."""
    a, b = MARGINS[name]
    column = LOAN.schema[name]
    unit = (1 - ndtr(-normal) ** (1 / b)) ** (1 / a)
    return np.asarray(np.round(column.minimum + (column.maximum - column.minimum) * unit), dtype=np.float64)


def _normal(name: str, value: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of `_quantile`, up to its rounding."""
    a, b = MARGINS[name]
    column = LOAN.schema[name]
    unit = ((value - column.minimum) / (column.maximum - column.minimum)).clip(1e-6, 1 - 1e-6)
    return np.asarray(-ndtri((1 - unit**a) ** b), dtype=np.float64)
