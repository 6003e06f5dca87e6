"""Versions as another training would have made them, without training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from tabular_model.registry import Registry
from tabular_model.signing import Signer


def republished(
    source: Path,
    root: Path,
    measured: Callable[[dict[str, Any]], object] = len,
    signer: Signer | None = None,
    **manifest: Any,
) -> Registry:
    """A registry at `root` that publishes v1 of `source` once more.

    `measured` changes its metrics, and `manifest` its manifest.
    """
    original, files = Registry.open(source).load("v1")
    metrics = msgspec.json.decode(files["metrics.json"])
    measured(metrics)
    files["metrics.json"] = msgspec.json.encode(metrics)
    registry = Registry.open(root, create=True)
    registry.publish(
        files,
        lambda version, sums: msgspec.structs.replace(
            original, **{"version": version, "files": sums, "signer": UNSET} | manifest
        ),
        signer,
    )
    return registry
