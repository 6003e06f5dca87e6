"""A model that is no loan of ours: 30 columns, a third of them words, some protected, some that may be missing."""

from pathlib import Path

import numpy as np
import pandas as pd

from tabular_model.declaration import Declaration
from tabular_model.schema import Column, Target

NUMBERS = [f"balance {number}" for number in range(14)]
INTEGERS = ["months", "payments", "dependants"]
FLAGS = ["owns_home", "has_phone", "is_member"]
WORDS = {f"word_{number}": tuple(f"level {chr(97 + k)}" for k in range(2 + 3 * number)) for number in range(9)}
GENDER = Column(name="gender", type="category", levels=("female", "male"), missing=True, protected=True)


def columns() -> tuple[Column, ...]:
    """Numbers, integers, booleans and categories, in turn."""
    numbers = [
        Column(name=name, unit="EUR", range=(-5, 5), missing=index % 2 == 0, direction="up" if index == 0 else None)
        for index, name in enumerate(NUMBERS)
    ]
    integers = [Column(name=name, type="integer", range=(0, 60), direction="down") for name in INTEGERS]
    flags = [Column(name=name, type="boolean", missing=True) for name in FLAGS]
    words = [
        Column(name=name, type="category", levels=levels, missing=True, unknown="missing" if index % 2 else "refused")
        for index, (name, levels) in enumerate(WORDS.items())
    ]
    return (*numbers, *integers, *flags, *words, GENDER)


DECLARATION = Declaration(
    model="credit-card", target=Target(name="outcome", approved="good", rejected="bad"), columns=columns()
)

# A `model.py` of the same model.
PIPELINE = """
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

def pipeline(n_estimators: int = 20):
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include=object)),
        (SimpleImputer(), make_column_selector(dtype_include=float)),
    )
    return make_pipeline(columns, GradientBoostingClassifier(n_estimators=n_estimators))
"""


def generate(rows: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Rows with their outcome, which depends on numbers, words and their going together; a tenth of them missing."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({name: rng.normal(size=rows).round(3) for name in NUMBERS})
    for name in INTEGERS:
        frame[name] = rng.integers(0, 61, rows)
    for name in FLAGS:
        frame[name] = rng.choice(["yes", "no"], rows)
    for name, levels in WORDS.items():
        frame[name] = rng.choice(levels, rows)
    frame["gender"] = rng.choice(GENDER.levels, rows)
    code = frame["word_4"].map({level: index for index, level in enumerate(WORDS["word_4"])})
    score = (
        1.5 * frame["balance 0"]
        + (code - 6) / 3
        - (frame["months"] - 30) / 20
        + np.where(frame["owns_home"] == "yes", frame["balance 1"], -frame["balance 1"])
    )
    outcome = np.where(rng.random(rows) < 1 / (1 + np.exp(-score)), "good", "bad")
    for column in DECLARATION.columns:
        if column.missing:
            frame[column.name] = frame[column.name].where(rng.random(rows) > 0.1)
    return frame.assign(outcome=outcome)


def write(folder: Path, rows: int = 2000, seed: int = 0) -> tuple[Path, Path]:
    """The declaration and a data set, as files."""
    model, data = folder / "credit-card.yaml", folder / "cards.csv"
    model.write_text(DECLARATION.dump())
    generate(rows, seed).to_csv(data, index=False)
    return model, data
