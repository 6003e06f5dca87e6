"""Why a row has its score: the part of each column, and the reasons that it gives.

`leaves` for trees and `linear` for sums of columns are exact and linear in the model's size. Any other model is scored
for every coalition of its columns if they are few, else for a sample, whose standard error is given.
"""

from tabular_model.explain.explainer import REASONS, Explainer, Reasons, explainer

__all__ = ["REASONS", "Explainer", "Reasons", "explainer"]
