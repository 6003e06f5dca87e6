"""Why a row has its score: the part of each column, exact for any number of columns, and the reasons that it gives.

`leaves` for trees and `linear` for sums of columns are linear in the model's size; `coalitions` asks any model.
"""

from tabular_model.explain.explainer import REASONS, Explainer, explainer

__all__ = ["REASONS", "Explainer", "explainer"]
