"""LightGBM with categories of its own: words become numbers, in whose order LightGBM sees no meaning."""

from typing import Annotated, Any

from lightgbm import LGBMClassifier
from msgspec import Meta
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

WORDS = ["occupation", "residence", "channel"]
NUMBERS = ["income", "limit", "months_as_customer", "late_payments"]


class WithCategories(LGBMClassifier):
    """Says which features are categories where LightGBM takes it: in `fit`."""

    def fit(self, X: Any, y: Any, **options: Any) -> "WithCategories":
        return super().fit(X, y, categorical_feature=list(range(len(WORDS))), **options)


def build(
    n_estimators: Annotated[int, Meta(ge=1, le=5000)] = 150,
    learning_rate: Annotated[float, Meta(gt=0, le=1)] = 0.05,
    num_leaves: Annotated[int, Meta(ge=2, le=1000)] = 7,
) -> Pipeline:
    """The annotations are the bounds that `--set` checks."""
    words = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("words", words, WORDS), ("numbers", "passthrough", NUMBERS)])
    model = WithCategories(
        n_estimators=n_estimators,
        learning_rate=learning_rate,
        num_leaves=num_leaves,
        min_child_samples=50,
        n_jobs=1,
        verbose=-1,
    )
    return Pipeline([("columns", columns), ("model", model)])
