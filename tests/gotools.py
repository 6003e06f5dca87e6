"""Programs that `make test` builds from their Go modules."""

import os
import shutil
from pathlib import Path

import pytest

BIN = Path(__file__).parent / ".cache/bin"


def gotool(name: str) -> str:
    """Its path; skips the test where it is not built, or fails with ALL_TOOLS=1."""
    found = shutil.which(name, path=f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}")
    if not found:
        (pytest.fail if os.environ.get("ALL_TOOLS") else pytest.skip)(f"{name} is not built; `make test` does, with Go")
    return found
