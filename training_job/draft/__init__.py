"""Drafts the declaration of a model from a data set."""

from training_job.draft.draft import Draft, draft

__all__ = ["Draft", "draft"]
