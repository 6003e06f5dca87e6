"""The first model as the data scientist handed it over: impute the mean, then logistic regression."""

from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline


def pipeline(C: float = 1.0, max_iter: int = 1000) -> Pipeline:
    """`--set C=0.1` and `--set max_iter=50` change the parameters."""
    return make_pipeline(SimpleImputer(strategy="mean"), LogisticRegression(C=C, max_iter=max_iter))
