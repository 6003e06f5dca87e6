"""Each module of the benchmarks can be imported, so that half an hour of measuring does not end in a wrong name."""

import importlib
from pathlib import Path

import pytest

import benchmarks

MODULES = sorted(path.stem for path in Path(benchmarks.__file__).parent.glob("[a-z]*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_it_can_be_imported(module):
    assert importlib.import_module(f"benchmarks.{module}").__doc__
