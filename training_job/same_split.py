"""The rows that a version was trained and judged on, from its data once more."""

from pathlib import Path

from tabular_model.declaration import Declaration
from tabular_model.errors import DataError
from tabular_model.manifest import Manifest
from training_job.data import load
from training_job.split import Split, split


def same_split(manifest: Manifest, data: str) -> Split:
    """Of the data at `data`, or where they were in training; DataError if they are not there, or are not the same."""
    source = data or manifest.data.source
    if "://" not in source and not Path(source).exists():
        raise DataError(f"The data of {manifest.version} were not found at {source}; give their location with --data.")
    declaration = Declaration(
        model=manifest.model,
        target=manifest.target,
        columns=manifest.schema,
        group=manifest.data.group,
        time=manifest.data.time,
    )
    found = load(source, declaration)
    if found.sha256 != manifest.data.sha256:
        raise DataError(f"{source} is not the data that {manifest.version} was trained on: its sha256 differs.")
    return split(found, manifest.data.holdout, manifest.seed)
